"""What a model card says of a model, in sentences that follow from what was measured."""

from components.disclaimer import DISCLAIMER
from components.evaluate.report.figures import Figure, Figures
from components.evaluate.report.lineage import Lineage
from components.ingest.report import IngestReport
from components.trainer.layers import EXPLAINED_LAYER

INTENDED_USE = (
    "A second look at single slices of brain MRI by people who are qualified to read them: it "
    "sorts an image into one of its classes, says how sure it is and where it looked. " + DISCLAIMER
)
OUT_OF_SCOPE = (
    "Diagnosis, or any decision on a patient without a qualified reader.",
    "Images of other organs or other modalities, photographs of screens, and drawings.",
    "Diseases other than those that it was trained on: it cannot say that there is another one.",
    "Screening of people without symptoms, children included, unless it was tested on them.",
    "Measuring, grading or following up a tumour.",
)
LIMITS = (
    "It sees one slice at a time: no neighbouring slice, no other sequence, no history.",
    "Labels are taken from the data folder as they are; who read the images is not recorded.",
    "Where no patient number comes with the images, slices of one patient are only kept together "
    "if they look alike.",
    "No figure here is from another hospital than the data's own.",
    "How good it is by age, sex or ethnicity is not known: the data do not say.",
)
ETHICS = (
    "A tumour that is missed harms more than one that is suspected wrongly; the sensitivity for "
    "tumour therefore stands first and has its own threshold.",
    "The people in the images have, as far as the data say, not been asked about this use.",
    "A confident answer invites trust that it may not deserve; foreign and uncertain images are "
    "marked, and every page says what this is not.",
)


def words_of(figure: Figure) -> str:
    """A share in words, with its interval.

    Args:
        figure: A number between 0 and 1.

    Returns:
        Such as `0.963 (0.941 to 0.981)`.
    """
    if figure.value is None:
        return f"not computable: {figure.missing}"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} (95 % interval {figure.low:.3f} to {figure.high:.3f})"


def gather(figures: Figures, lineage: Lineage, data: IngestReport) -> dict[str, str]:
    """What is known of a model.

    Args:
        figures: Measured on the test images.
        lineage: What made it.
        data: What ingest counted.

    Returns:
        Sentences by the keys that the checklists ask for; what is not known is not there.
    """
    return {
        **_of_the_task(figures),
        **_of_the_data(lineage, data),
        **_of_the_model(lineage),
        **_of_the_figures(figures),
    }


def _of_the_task(figures: Figures) -> dict[str, str]:
    classes = ", ".join(figures.classes)
    return {
        "method": f"Deep learning: a convolutional network (VGG16, transfer learning) that sorts "
        f"brain MRI images into {classes}.",
        "aim": "To see whether one image is enough to tell these classes apart, well enough to "
        "support a reader.",
        "study": "Development and internal testing of a classifier.",
        "retrospective": "Retrospective: the images were there before.",
        "intended_use": INTENDED_USE,
        "reference": "The name of the folder that an image came in.",
        "predictors": "The pixels of one image, nothing else.",
        "no_people": "None is assessed by people.",
        "output": f"A calibrated probability for each of {classes}; whether the image looks like a "
        "brain MRI at all; whether it should be referred to a reader.",
        "prediction": "The exported graph takes the bytes of an image file; docs/model.md "
        "describes its signatures.",
        "ensemble": "None: one network.",
        "limits": " ".join(LIMITS),
        "practice": "It may draw a reader's attention to an image. It must not replace the "
        "reading, and its users must know the limits above.",
        "poor_input": "What cannot be decoded is refused; what does not look like a brain MRI is "
        "marked; below a set confidence the answer is to refer to a reader.",
        "external": "None.",
        "availability": "The code, the exported model and its parameters are with the pipeline "
        "that made this card; the data are with their owner.",
        "protocol": "The pipeline's docs, and its metadata store for this run.",
        "next_steps": "Testing on another hospital's images, read by more than one person.",
    }


def _of_the_data(lineage: Lineage, data: IngestReport) -> dict[str, str]:
    policies = {
        "leak_free": "The test images stay as given; training images that match one of them are "
        "set aside.",
        "group": "All images are split anew, whole groups together.",
        "as_is": "The split stays as the folder gives it, duplicates included: figures are as "
        "inflated as the folder's leak.",
    }
    levels = {
        "as_is": f"Not disjoint: {data.near_cross_split:,} test images match an image in the "
        "training folder.",
    }
    counts = ", ".join(f"{data.count(split):,} {split}" for split in ("train", "eval", "test"))
    totals = data.images.get("train", {})
    return {
        "data": f"The folder {lineage.data} (listing {lineage.data_fingerprint[:12]}). "
        + (lineage.data_note or "Its licence is unknown to the pipeline."),
        "selection": f"All files of the classes' folders that could be decoded: "
        f"{data.ingested:,} of {data.found:,}.",
        "subsets": f"{data.count('excluded'):,} images were set aside because they match images "
        "on another side of the split.",
        "identity": "Only technical tags are kept of DICOM and NIfTI files, and a salted hash of "
        "the patient number, for grouping.",
        "missing_data": f"{data.rejected:,} files could not be used and were left out; nothing is "
        "filled in.",
        "split": policies.get(data.policy, f"Policy {data.policy}."),
        "disjoint": levels.get(
            data.policy,
            "Groups of images that show the same picture, its mirror or a neighbouring slice, or "
            f"the same patient where that is known; {data.remaining_cross_split:,} pairs remain on "
            "two sides.",
        ),
        "numbers": f"{counts}; {data.rejected:,} rejected, {data.count('excluded'):,} set aside.",
        "sample_size": "All test images that there are; none was planned.",
        "imbalance": "Training images by class: "
        + ", ".join(f"{name} {count:,}" for name, count in totals.items())
        + ". Classes are not weighted in the figures, but macro averages count them alike.",
        "internal": f"{data.count('test'):,} images of the same source.",
    }


def _of_the_model(lineage: Lineage) -> dict[str, str]:
    def settings(section: str) -> str:
        found = [
            f"{path.removeprefix(section)}={value}"
            for path, value in lineage.parameters.items()
            if path.startswith(section)
        ]
        return ", ".join(found)

    tuned = [f"{path.rpartition('.')[2]}={lineage.parameters[path]}" for path in lineage.tuned]
    found = {
        "software": f"brain-mri-pipeline {lineage.code_version} (code {lineage.code_digest}); "
        + ", ".join(f"{name} {version}" for name, version in lineage.environment.items()),
        "choice": "By the eval images, a part of the training folder"
        + (f", by which a search chose {', '.join(tuned)}" if tuned else "")
        + "; the test images choose nothing but whether the model is blessed.",
        "updating": "A new run trains from the start; the last blessed model is what it is "
        "compared with.",
    }
    for key, section in (
        ("preprocessing", "transform."),
        ("model", "model."),
        ("training", "train."),
    ):
        if words := settings(section):
            found[key] = f"{words}."
    if weights := lineage.parameters.get("model.weights"):
        found["initialisation"] = f"Weights: {weights}."
    return found


def _of_the_figures(figures: Figures) -> dict[str, str]:
    found = {
        "metrics": "Sensitivity and specificity for tumour against none, accuracy, balanced "
        "accuracy, precision, recall, specificity, F1, areas under the ROC and precision-recall "
        "curves of each class against the rest, Brier score, expected calibration error (15 bins "
        "of equal mass).",
        "uncertainty": f"95 % intervals by bootstrap over {figures.groups:,} groups of duplicate "
        "images; models are compared by a paired bootstrap and McNemar's test.",
    }
    headline = figures.headline
    if headline:
        shown = ("tumour_sensitivity", "tumour_specificity", "accuracy", "balanced_accuracy")
        found["performance"] = "; ".join(
            f"{name.replace('_', ' ')} {words_of(headline[name])}"
            for name in shown
            if name in headline
        )
        found["summary"] = f"{found['performance']}, on {figures.images:,} test images."
        found["errors"] = "The report shows every missed tumour and the most confident mistakes."
        found["explanation"] = (
            f"A heat map of where the network looked (Grad-CAM on {EXPLAINED_LAYER})."
        )
    if "tumour_sensitivity" in headline:
        found["diagnostic"] = (
            f"Sensitivity for tumour {words_of(headline['tumour_sensitivity'])}, specificity "
            f"{words_of(headline['tumour_specificity'])}."
        )
    if figures.slices:
        worst = min(figures.slices, key=lambda one: one.accuracy.value or 0.0)
        found["slices"] = (
            f"Measured by class, source, size, border, plane and brightness; worst: "
            f"{worst.feature} {worst.value}, accuracy {words_of(worst.accuracy)}."
        )
    if figures.foreign.get("all"):
        found["robustness"] = (
            "Foreign images (photographs, noise, text, inverted and shuffled MRI) are told from "
            f"test images with an area under the ROC curve of "
            f"{words_of(figures.foreign['all'])}."
        )
    if figures.comparison:
        difference = figures.comparison.differences["accuracy"]
        found["comparison"] = (
            f"Accuracy minus that of the last blessed model: {words_of(difference)}"
            f", on {figures.comparison.images:,} test images."
        )
        if aside := figures.comparison.set_aside:
            found["comparison"] += f" The others were set aside: {aside}."
    elif figures.comparison_missing:
        found["comparison"] = f"Not compared with another model: {figures.comparison_missing}."
    return found
