"""Computes all figures of a model from its predictions."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from components.evaluate.checks import computable, problems
from components.evaluate.config import ONE_CLASS, EvaluateConfig
from components.evaluate.metrics import Answers, Key, Metric, metrics
from components.evaluate.predictions.slices import FEATURES, UNKNOWN
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.report.bootstrap import GroupBootstrap, Statistic, share_of
from components.evaluate.report.calibration import Reliability
from components.evaluate.report.compare import compare
from components.evaluate.report.coverage import CoverageRisk
from components.evaluate.report.figures import TITLES, Figure, Figures, SliceFigures
from components.evaluate.report.foreign import foreign_figures, in_distribution_figures
from components.evaluate.report.ranking import Ranking
from components.evaluate.report.sets import set_figures
from components.reasons import counted

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


def measure(predictions: PredictionTable, config: EvaluateConfig) -> Figures:
    """Computes every figure that can be computed, and names the others.

    Args:
        predictions: Of the test images.
        config: The class without a tumour, and how many bootstrap samples to draw.

    Returns:
        The figures.
    """
    healthy = config.healthy_class if config.healthy_class in predictions.classes else None
    bootstrap = GroupBootstrap(predictions.groups, config.resamples)
    found: dict[str, Any] = {"comparison_missing": "this model's own figures cannot be computed"}
    if computable(predictions):
        found = _figures(predictions, bootstrap, healthy)
        found["comparison"], found["comparison_missing"] = compare(predictions, config, healthy)
    return Figures(
        model_id=predictions.header.model_id,
        classes=predictions.classes,
        healthy_class=healthy,
        images=len(predictions),
        groups=bootstrap.group_count,
        missing=(*problems(predictions, config), *_missing_outputs(predictions)),
        flagged=in_distribution_figures(predictions, bootstrap),
        foreign=foreign_figures(predictions),
        **found,
    )


def _missing_outputs(predictions: PredictionTable) -> list[str]:
    titles = {
        "uncalibrated": "calibration before and after (no output `uncalibrated`)",
        "in_distribution": "foreign images (no output `in_distribution`)",
        "refer": "the share that is referred to a reader (no output `refer`)",
        "reasons": "why images are referred (no output `reasons`)",
        "prediction_set": "prediction sets (no output `prediction_set`)",
    }
    return [
        f"the model's graph does not have the outputs that are needed for {words}"
        for name, words in titles.items()
        if name in predictions.header.missing
    ]


def _figures(
    predictions: PredictionTable, bootstrap: GroupBootstrap, healthy: str | None
) -> dict[str, Any]:
    """The figures of images that all have labels and finite probabilities."""
    answers = Answers(predictions.labels, predictions.probabilities)
    reliability = {"calibrated": Reliability(answers.confidence, answers.right)}
    if predictions.uncalibrated is not None:
        before = Answers(predictions.labels, predictions.uncalibrated)
        reliability["uncalibrated"] = Reliability(before.confidence, before.right)
    known = metrics(predictions.classes, healthy)
    values = bootstrap.figures(
        {
            **{key: _of_answers(metric, answers) for key, metric in known.items()},
            **_of_scores(predictions, answers, reliability, healthy),
        }
    )
    curve = CoverageRisk.of(answers.confidence, answers.right)
    [counts] = answers.tally().counts.astype(int).tolist()
    return {
        "headline": {name: values[name, None] for name in TITLES if (name, None) in values},
        "by_class": {
            name: {one: values[one, name] for one in (*ONE_CLASS, "auc", "average_precision")}
            for name in predictions.classes
        },
        "confusion": tuple(tuple(row) for row in counts),
        "slices": _slices(predictions, answers, known, bootstrap),
        "reliability": {name: one.curve() for name, one in reliability.items()},
        "reasons": _reasons(predictions, bootstrap),
        "sets": set_figures(predictions, bootstrap),
        "coverage": {str(c): curve.risk_at(c) for c in COVERAGES} | {"area": curve.area},
    }


def _of_answers(metric: Metric, answers: Answers) -> Statistic:
    return Statistic(
        of=lambda weights: metric.of(answers.tally(weights)),
        about=answers.among(metric.about),
        hits=None if metric.hits is None else answers.among(metric.hits),
    )


def _of_scores(
    predictions: PredictionTable,
    answers: Answers,
    reliability: Mapping[str, Reliability],
    healthy: str | None,
) -> dict[Key, Statistic]:
    """Figures of probabilities, which do not follow from a tally."""
    everything = np.ones(len(predictions), bool)
    found: dict[Key, Statistic] = {
        (name, None): Statistic(reliability[when].error, everything)
        for name, when in (("ece", "calibrated"), ("ece_uncalibrated", "uncalibrated"))
        if when in reliability
    }
    for index, name in enumerate(predictions.classes):
        true, scores = predictions.labels == index, predictions.probabilities[:, index]
        ranking = Ranking(true, scores)
        found["auc", name] = Statistic(ranking.roc_auc, everything)
        found["average_precision", name] = Statistic(ranking.average_precision, true)
        if name == healthy:
            found["tumour_auc", None] = Statistic(Ranking(~true, 1 - scores).roc_auc, everything)
    if predictions.refer is not None:
        found["referred", None] = share_of(everything, predictions.refer)
        found["accuracy_unreferred", None] = share_of(~predictions.refer, answers.right)
    return found


def _reasons(predictions: PredictionTable, bootstrap: GroupBootstrap) -> dict[str, Figure]:
    """Share of the images that each reason holds of, the commonest first."""
    if predictions.reasons is None:
        return {}
    given = [counted(reasons) for reasons in predictions.reasons]
    everything = np.ones(len(predictions), bool)
    found = bootstrap.figures(
        {
            one: share_of(everything, np.array([one in reasons for reasons in given]))
            for one in dict.fromkeys(chain.from_iterable(given))
        }
    )
    return dict(sorted(found.items(), key=lambda item: -(item[1].value or 0.0)))


def _slices(
    predictions: PredictionTable,
    answers: Answers,
    known: Mapping[Key, Metric],
    bootstrap: GroupBootstrap,
) -> tuple[SliceFigures, ...]:
    parts = {
        (feature, str(value)): predictions.slices[feature] == value
        for feature in FEATURES
        for value in np.unique(predictions.slices[feature])
        if value != UNKNOWN
    }
    figures = bootstrap.figures(
        {
            (name, part): share_of(inside & answers.among(share.about), answers.among(share.hits))
            for name in ("accuracy", "tumour_sensitivity")
            if (share := known.get((name, None))) and share.hits is not None
            for part, inside in parts.items()
        }
    )
    nothing = Figure(value=None, missing="no class is named as the one without a tumour")
    return tuple(
        SliceFigures(
            feature=part[0],
            value=part[1],
            images=int(inside.sum()),
            accuracy=figures["accuracy", part],
            tumour_sensitivity=figures.get(("tumour_sensitivity", part), nothing),
        )
        for part, inside in parts.items()
    )
