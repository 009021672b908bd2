"""What must hold of the predictions before a figure means anything; what does not is a refusal."""

import numpy as np

from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.table import PredictionTable

LEAST_IMAGES = 2


def problems(predictions: PredictionTable, config: EvaluateConfig) -> list[str]:
    """Says what keeps figures from being computed.

    Args:
        predictions: Of the test images.
        config: Which figures are wanted.

    Returns:
        Sentences without their full stop; with any of them the model is refused.
    """
    images = len(predictions)
    if images == 0:
        return ["the test split is empty, so figures cannot be computed"]
    found = [*_of_labels(predictions, images), *_of_probabilities(predictions, images)]
    if images < LEAST_IMAGES and not found:
        found.append("the test split has one image, which is too few for any figure")
    if config.healthy_class is not None and config.healthy_class not in predictions.classes:
        found.append(
            f"no class is named {config.healthy_class!r}, so the sensitivity for tumour cannot be "
            "computed; set evaluate.healthy_class to the class without a tumour, or to null"
        )
    if unknown := {t.of for t in config.thresholds if t.of} - set(predictions.classes):
        found.append(f"a threshold names a class that does not exist: {', '.join(sorted(unknown))}")
    if config.compare and (problem := comparison_problem(predictions, config)):
        found.append(
            f"the comparison cannot be computed: {problem}; "
            "evaluate.compare=false starts again without a comparison"
        )
    return found


def comparison_problem(predictions: PredictionTable, config: EvaluateConfig) -> str:
    """Says why a model cannot be compared with its baseline.

    Args:
        predictions: Of both.
        config: How many images it takes.

    Returns:
        A clause; empty where it can be compared, or where there is no baseline.
    """
    header = predictions.header
    if header.baseline_id is None or header.baseline_problem:
        return header.baseline_problem
    for whose, unknown in (
        ("the last blessed model", header.baseline_unknown),
        ("this model", header.training_unknown),
    ):
        if unknown:
            return (
                f"which of the test images {whose} knows from its training cannot be determined, "
                f"because {unknown}"
            )
    left, images = int(predictions.new_to_both.sum()), len(predictions)
    if left == images or left >= config.min_compared:
        return ""
    return (
        f"{set_aside(predictions)}, and the {left:,} that are left are too few to say anything "
        f"(evaluate.min_compared={config.min_compared})"
    )


def set_aside(predictions: PredictionTable) -> str:
    """Says in a clause which test images count for no comparison, and why; empty if all count."""
    aside, images = int((~predictions.new_to_both).sum()), len(predictions)
    if not aside:
        return ""
    whose = {
        "the last blessed model": predictions.known_to_baseline,
        "this model": predictions.known_to_model,
    }
    counts = {name: int(known.sum()) for name, known in whose.items() if known.any()}
    if set(counts.values()) == {aside} and len(counts) == 1:
        [who] = counts
    else:
        who = f"one of the two models ({', '.join(f'{n}: {c:,}' for n, c in counts.items())})"
    return f"{aside:,} of {images:,} test images match images that {who} was trained on"


def computable(predictions: PredictionTable) -> bool:
    """Whether every image has a label and finite probabilities, and there is any."""
    images = len(predictions)
    return images > 0 and not (_unlabelled(predictions) or _of_probabilities(predictions, images))


def _of_labels(predictions: PredictionTable, images: int) -> list[str]:
    if unlabelled := _unlabelled(predictions):
        return [
            f"{unlabelled:,} of {images:,} test images have no label that the model knows, so "
            "nothing that compares with the truth can be computed"
        ]
    classes = enumerate(predictions.classes)
    absent = [name for index, name in classes if index not in predictions.labels]
    if absent and images >= LEAST_IMAGES:
        return [
            f"the test split holds no image of {', '.join(absent)}, so the figures of "
            f"{'this class' if len(absent) == 1 else 'these classes'} cannot be computed"
        ]
    return []


def _of_probabilities(predictions: PredictionTable, images: int) -> list[str]:
    answers = {
        "the model": predictions.probabilities,
        "the last blessed model": predictions.baseline,
    }
    bad = {
        whose: int((~np.isfinite(values)).any(axis=1).sum())
        for whose, values in answers.items()
        if values is not None
    }
    return [
        f"{whose} gave no finite probabilities for {count:,} of {images:,} test images"
        for whose, count in bad.items()
        if count
    ]


def _unlabelled(predictions: PredictionTable) -> int:
    return int((predictions.labels < 0).sum())
