"""What the report's page shows besides figures: drawings, and the slices in an order."""

from collections.abc import Mapping, Sequence

import numpy as np

from components.evaluate.checks import computable
from components.evaluate.metrics import Answers
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.report import drawings
from components.evaluate.report.coverage import CoverageRisk
from components.evaluate.report.figures import Figures, SliceFigures
from components.evaluate.report.foreign import TEST_IMAGES

_LEAST_SLICE = 10
"""Slices of fewer images are listed last: their figures say little."""


def worst_first(slices: Sequence[SliceFigures]) -> list[SliceFigures]:
    """Sorts parts of the test images: the least accurate first, tiny ones last."""

    def order(one: SliceFigures) -> tuple[bool, float, int]:
        accuracy = 2.0 if one.accuracy.value is None else one.accuracy.value
        return one.images < _LEAST_SLICE, accuracy, -one.images

    return sorted(slices, key=order)


def draw(
    figures: Figures, predictions: PredictionTable, history: Mapping[str, Sequence[float]]
) -> dict[str, str]:
    """Draws all that can be drawn.

    Args:
        figures: Measured on the test images.
        predictions: Of the test images, for the curves.
        history: Training figures by name, one an epoch.

    Returns:
        SVG by name.
    """
    found = {
        f"training_{metric}": drawings.draw_training(history, metric)
        for metric in ("accuracy", "loss")
        if history.get(metric)
    }
    if figures.foreign and predictions.foreign and predictions.ood_score is not None:
        scores = {TEST_IMAGES: predictions.ood_score}
        for kind, inside in predictions.foreign.by_kind.items():
            scores[kind] = predictions.foreign.ood_score[inside]
        if all(np.isfinite(values).all() for values in scores.values()):
            found["foreign"] = drawings.draw_scores(scores)
    if not computable(predictions):
        return found
    answers = Answers(predictions.labels, predictions.probabilities)
    referred = figures.headline.get("referred")
    found |= {
        "confusion": drawings.draw_confusion(figures.confusion, figures.classes),
        "reliability": drawings.draw_reliability(figures.reliability),
        "coverage": drawings.draw_coverage(
            CoverageRisk.of(answers.confidence, answers.right),
            referred.value if referred else None,
        ),
    }
    truth = {
        name: predictions.labels == index
        for index, name in enumerate(figures.classes)
        if 0 < (predictions.labels == index).sum() < len(predictions)
    }
    if truth:
        scores = {name: predictions.probabilities[:, figures.classes.index(name)] for name in truth}
        found["roc"] = drawings.draw_roc(truth, scores)
        found["precision_recall"] = drawings.draw_precision_recall(truth, scores)
    return found
