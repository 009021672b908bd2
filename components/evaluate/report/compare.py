"""A model against another on the same images, with a paired test."""

import numpy as np

from components.evaluate.checks import comparison_problem, set_aside
from components.evaluate.config import EvaluateConfig
from components.evaluate.metrics import Answers, Metric, finite, metrics
from components.evaluate.predictions.table import Floats, PredictionTable
from components.evaluate.report.bootstrap import (
    GroupBootstrap,
    Weighted,
    interval,
    mcnemar,
    two_sided_p,
)
from components.evaluate.report.figures import Comparison, Figure

_FIGURES = ("tumour_sensitivity", "tumour_specificity", "accuracy", "balanced_accuracy", "macro_f1")


def compare(
    predictions: PredictionTable, config: EvaluateConfig, healthy: str | None
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
    return comparison.model_copy(update={"set_aside": set_aside(predictions)}), ""


def compare_answers(
    predictions: PredictionTable,
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
    mine, others = (Answers(predictions.labels, one) for one in (predictions.probabilities, other))
    known = metrics(predictions.classes, healthy)
    compared = {name: known[name, None] for name in _FIGURES if (name, None) in known}

    def difference(metric: Metric) -> Weighted:
        return lambda weights: metric.of(mine.tally(weights)) - metric.of(others.tally(weights))

    bootstrap = GroupBootstrap(predictions.groups, resamples)
    samples = bootstrap.samples({name: difference(metric) for name, metric in compared.items()})
    differences, p_values, own, values = {}, {}, {}, {}
    for name, metric in compared.items():
        first, second = (float(metric.of(one.tally())[0]) for one in (mine, others))
        own[name], values[name] = finite(first), finite(second)
        p_values[name] = finite(two_sided_p(samples[name]))
        low, high = interval(samples[name]) or (None, None)
        differences[name] = (
            Figure(
                value=first - second, low=low, high=high, images=int(mine.among(metric.about).sum())
            )
            if np.isfinite(first - second)
            else Figure(value=None, missing="it would be a share of no images")
        )
    return Comparison(
        model_id=other_id,
        differences=differences,
        p_values=p_values,
        better=int((mine.right & ~others.right).sum()),
        worse=int((others.right & ~mine.right).sum()),
        mcnemar=mcnemar(mine.right, others.right),
        own=own,
        other=values,
        images=len(predictions),
    )
