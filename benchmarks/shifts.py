"""How a model answers when images of a folder are shown in other guises.

    bin/python -m benchmarks.shifts --model SAVEDMODEL [--quick] [--data FOLDER]

The table of the report's section "Does it look at the tumour?", for a pushed model and any folder
of class folders (or one with `Testing` or `test` in it): another class's style, what is left
without anatomy, and shifts, the worst first. Where medmnistc is installed, its corruptions stand
beside ours: those for its axial slices, as none of its sets is MRI. Intervals are bootstrapped over
different files. The last line is one JSON object.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import add_data, drawn
from components.errors import PipelineError
from components.evaluate.config import EvaluateConfig
from components.evaluate.report.bootstrap import GroupBootstrap, share_of
from components.evaluate.report.figures import ChangeFigures, Figure
from components.evaluate.report.robustness import robustness_figures
from components.exported_model import ExportedModel
from components.robustness.asking import Sampled, answers
from components.robustness.changes import CHANGES, Change
from components.robustness.subject import Grey, Subject
from components.robustness.table import ChangedHeader, SplitAnswers, answers_of
from imaging.picture import ReadFailedError, RejectedImageError
from imaging.reader import read_file

_SPLIT = "test"
_IMAGES, _QUICK = 200, 24
"""Of each folder, and with --quick."""
_FOLDERS = ("Testing", "test")
_MEDMNIST_SET = "organamnist"
"""CT in axial slices: of medmnistc's sets the nearest to MRI of heads."""
_SEVERITIES = (0, 2, 4)
"""Of medmnistc's five."""


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a SavedModel's folder")
    parser.add_argument("--images", type=int, default=_IMAGES, help="how many are drawn")
    parser.add_argument("--healthy", default="notumor", help="the class without a tumour")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} images")
    add_data(parser)
    arguments = parser.parse_args()
    try:
        model = ExportedModel(arguments.model)
    except (OSError, ValueError, PipelineError) as error:
        sys.exit(f"The model in {arguments.model} cannot be asked: {error}")
    images = min(arguments.images, _QUICK) if arguments.quick else arguments.images
    sample = _sample(arguments.data, model.classes, images)
    if not sample:
        sys.exit(
            f"{arguments.data} holds no images in folders named {', '.join(model.classes)}: give "
            "another with --data."
        )
    print(json.dumps(measure(model, sample, arguments.healthy)))


def measure(model: ExportedModel, sample: Sequence[Sampled], healthy: str) -> dict[str, Any]:
    """Asks, prints the table, and gives its figures.

    Args:
        model: The model.
        sample: Images.
        healthy: The class without a tumour.
    """
    config = EvaluateConfig(healthy_class=healthy)
    header = ChangedHeader(classes=model.classes, model_id=0, images=len(sample))
    rows = _asked(model, sample, CHANGES)
    figures = robustness_figures(answers_of(header, rows), None, config).get(_SPLIT)
    if figures is None:
        sys.exit("There is nothing to see in any of the images.")
    print(f"{figures.images} images; chance {figures.chance:.3f}")
    means = {
        "in the style of another class": figures.swapped_accuracy,
        "shifted": figures.shifted_accuracy,
        "shifted: wrong, sure, not flagged": figures.confidently_wrong,
    }
    for words, figure in means.items():
        print(f"{words:66} {_words(figure)}")
    told = [figures.unchanged, *figures.styles, *figures.remains, *figures.shifts]
    for one in told:
        print(f"{one.words:66} {_words(one.accuracy)}   {_beside(one)}")
    found: dict[str, Any] = {
        "images": figures.images,
        "chance": round(figures.chance, 4),
        "swapped_accuracy": _rounded(figures.swapped_accuracy),
        "shifted_accuracy": _rounded(figures.shifted_accuracy),
        "confidently_wrong": _rounded(figures.confidently_wrong),
        "accuracy": {f"{one.name} {one.strength}": _rounded(one.accuracy) for one in told},
    }
    try:
        corruptions = list(_corruptions())
    except (ImportError, OSError) as error:
        print(f"medmnistc's corruptions: not measured ({' '.join(str(error).split())[:200]})")
        return found
    rows = _asked(model, sample, corruptions)
    split = answers_of(header, rows, corruptions).splits[_SPLIT]
    theirs = _accuracies(split, corruptions)
    print("medmnistc's corruptions, the worst first")
    for name, figure in sorted(theirs.items(), key=lambda item: item[1].value or 0.0):
        print(f"{name:66} {_words(figure)}")
    found["medmnistc"] = {name: _rounded(figure) for name, figure in theirs.items()}
    return found


def _asked(
    model: ExportedModel, sample: Sequence[Sampled], changes: Sequence[Change]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for some in answers(_SPLIT, sample, model, changes=changes):
        rows += some
        print(f"{len(rows):,} of {len(sample) * len(changes):,} answers", file=sys.stderr, end="\r")
    print(file=sys.stderr)
    return rows


def _sample(folder: Path, classes: Sequence[str], count: int) -> list[Sampled]:
    """Reads images of class folders, as many of each class as there are by its share."""
    root = next((folder / name for name in _FOLDERS if (folder / name).is_dir()), folder)
    files = {
        path: label
        for label, name in enumerate(classes)
        if (root / name).is_dir()
        for path in sorted((root / name).rglob("*"))
        if path.is_file()
    }
    found = []
    for path in drawn(list(files), count):
        try:
            image = read_file(path).images[0]
        except (RejectedImageError, ReadFailedError) as error:
            print(f"an image of {classes[files[path]]} is left out: {error}", file=sys.stderr)
            continue
        digest = hashlib.sha256(image.encoded).hexdigest()
        found.append(Sampled(image.encoded, files[path], digest, digest))
    return found


def _corruptions() -> Iterator[Change]:
    from medmnistc.corruptions.registry import CORRUPTIONS_DS

    for name, corruption in CORRUPTIONS_DS[_MEDMNIST_SET].items():
        for strength, severity in enumerate(_SEVERITIES, start=1):
            words = f"medmnistc {name.replace('_', ' ')}"
            yield Change(words, strength, "shift", words, _corrupted(corruption, severity))


def _corrupted(corruption: Any, severity: int) -> Callable[[Subject], Grey]:
    def of(subject: Subject) -> Grey:
        seed = subject.random("medmnistc").integers(2**32)
        np.random.seed(seed)  # noqa: NPY002 - medmnistc draws from NumPy's own generator
        made = np.asarray(corruption.apply(Image.fromarray(subject.pixels), severity=severity))
        grey = made.mean(2) if made.ndim == 3 else made
        return grey.astype(np.float32)

    return of


def _accuracies(split: SplitAnswers, changes: Sequence[Change]) -> dict[str, Figure]:
    bootstrap = GroupBootstrap(split.groups, EvaluateConfig().resamples)
    return bootstrap.figures(
        {
            f"{change.name} {change.strength}": share_of(
                split.asked[:, column], split.right[:, column]
            )
            for column, change in enumerate(changes)
        }
    )


def _words(figure: Figure) -> str:
    if figure.value is None:
        return f"not computable: {figure.missing}"
    ends = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{ends:18}"


def _beside(one: ChangeFigures) -> str:
    sensitivity, wrong = one.tumour_sensitivity.value, one.confidently_wrong.value
    parts = [] if sensitivity is None else [f"tumours found {sensitivity:.3f}"]
    parts += [] if wrong is None else [f"wrong, sure, not flagged {wrong:.3f}"]
    return ", ".join(parts)


def _rounded(figure: Figure) -> float | None:
    return None if figure.value is None else round(figure.value, 4)


if __name__ == "__main__":
    main()
