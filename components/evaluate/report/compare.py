"""A model against another on the same images, with a paired test."""

import numpy as np

from components.evaluate.checks import comparison_problem, set_aside
from components.evaluate.config import EvaluateConfig
from components.evaluate.confusion import figure_of
from components.evaluate.predictions.table import Floats, Predictions
from components.evaluate.report.bootstrap import (
    GroupBootstrap,
    Statistic,
    interval,
    mcnemar,
    two_sided_p,
)
from components.evaluate.report.figures import Comparison, Figure

_FIGURES = ("tumour_sensitivity", "tumour_specificity", "accuracy", "balanced_accuracy", "macro_f1")


def compare(
    predictions: Predictions, config: EvaluateConfig, healthy: str | None
) -> tuple[Comparison | None, str]:
    """Compares a model with its baseline, on the images that neither knows from training.

    Args:
        predictions: Of both.
        config: Whether a comparison is wanted, and what it takes.
        healthy: The class without a tumour.

    Returns:
        The comparison, or None and why there is none.
    """
    header = predictions.header
    if header.baseline_id is None:
        return None, "there is no earlier blessed model"
    if not config.compare:
        return None, "evaluate.compare is false"
    problem = comparison_problem(predictions, config)
    if predictions.baseline is None or problem:
        return None, problem
    new = predictions.new_to_both
    images = predictions.only(new)
    comparison = compare_answers(
        images, predictions.baseline[new], header.baseline_id, config.resamples, healthy
    )
    words = "" if new.all() else set_aside(predictions)
    return comparison.model_copy(update={"set_aside": words}), ""


def compare_answers(
    predictions: Predictions,
    other: Floats,
    other_id: int,
    resamples: int,
    healthy: str | None,
) -> Comparison:
    """Compares a model's answers with another's.

    Args:
        predictions: Of the model, all with labels and finite probabilities.
        other: The other's probabilities on the same images, [images, classes].
        other_id: The other, in ML Metadata.
        resamples: Bootstrap samples behind each interval, drawn over the images' groups.
        healthy: The class without a tumour.

    Returns:
        The comparison.
    """
    classes = len(predictions.classes)
    index = None if healthy is None else predictions.classes.index(healthy)
    names = [name for name in _FIGURES if index is not None or "tumour" not in name]
    cells = [
        np.eye(classes * classes)[predictions.labels * classes + probabilities.argmax(1)]
        for probabilities in (predictions.probabilities, other)
    ]

    def both(name: str, weights: Floats) -> list[Floats]:
        return [
            figure_of(name, (weights @ one).reshape(-1, classes, classes), healthy=index)
            for one in cells
        ]

    def difference(name: str) -> Statistic:
        def statistic(weights: Floats) -> Floats:
            mine, others = both(name, weights)
            return mine - others

        return statistic

    once = np.ones((1, len(predictions)))
    bootstrap = GroupBootstrap(predictions.groups, resamples)
    samples = bootstrap.samples({name: difference(name) for name in names})
    differences, p_values, own, values = {}, {}, {}, {}
    for name in names:
        mine, others = (float(value[0]) for value in both(name, once))
        own[name] = mine if np.isfinite(mine) else None
        values[name] = others if np.isfinite(others) else None
        ends = interval(samples[name])
        differences[name] = (
            Figure(
                value=mine - others,
                low=ends[0] if ends else None,
                high=ends[1] if ends else None,
                images=len(predictions),
            )
            if np.isfinite(mine - others)
            else Figure(value=None, missing="it would be a share of no image")
        )
        p = two_sided_p(samples[name])
        p_values[name] = p if np.isfinite(p) else None
    right = predictions.probabilities.argmax(1) == predictions.labels
    other_right = other.argmax(1) == predictions.labels
    return Comparison(
        model_id=other_id,
        differences=differences,
        p_values=p_values,
        better=int((right & ~other_right).sum()),
        worse=int((other_right & ~right).sum()),
        mcnemar=mcnemar(right, other_right),
        own=own,
        other=values,
        images=len(predictions),
    )
