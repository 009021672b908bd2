"""Computes all figures of a model from its predictions."""

from collections.abc import Mapping

import numpy as np

from components.evaluate.checks import computable, problems
from components.evaluate.config import ONE_CLASS, EvaluateConfig
from components.evaluate.confusion import confusion_matrix, figure_of
from components.evaluate.predictions.slices import FEATURES, UNKNOWN
from components.evaluate.predictions.table import Flags, Floats, Predictions
from components.evaluate.report.bootstrap import (
    GroupBootstrap,
    Statistic,
    exact_interval,
    interval,
)
from components.evaluate.report.calibration import Reliability
from components.evaluate.report.compare import compare
from components.evaluate.report.coverage import CoverageRisk
from components.evaluate.report.figures import Bin, Figure, Figures, SliceFigures
from components.evaluate.report.foreign import foreign_figures, in_distribution_figures
from components.evaluate.report.ranking import Ranking

HEADLINE = (
    "tumour_sensitivity",
    "tumour_specificity",
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_f1",
)
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


def measure(predictions: Predictions, config: EvaluateConfig) -> Figures:
    """Computes every figure that can be computed, and names the others.

    Args:
        predictions: Of the test images.
        config: The class without a tumour, and how many bootstrap samples to draw.

    Returns:
        The figures.
    """
    healthy = config.healthy_class if config.healthy_class in predictions.classes else None
    figures = Figures(
        model_id=predictions.header.model_id,
        classes=predictions.classes,
        healthy_class=healthy,
        images=len(predictions),
        groups=len(np.unique(predictions.groups)),
        missing=(*problems(predictions, config), *_missing_outputs(predictions)),
    )
    bootstrap = GroupBootstrap(predictions.groups, config.resamples)
    found: dict[str, object] = {
        "flagged": in_distribution_figures(predictions, bootstrap),
        "foreign": foreign_figures(predictions),
    }
    if computable(predictions):
        found |= _Measurement(predictions, bootstrap, healthy).all()
        found["comparison"], found["comparison_missing"] = compare(predictions, config, healthy)
    else:
        found["comparison_missing"] = "this model's own figures cannot be computed"
    return figures.model_copy(update=found)


def _missing_outputs(predictions: Predictions) -> list[str]:
    titles = {
        "uncalibrated": "calibration before and after (no output `uncalibrated`)",
        "in_distribution": "foreign images (no output `in_distribution`)",
        "refer": "the share that is referred to a reader (no output `refer`)",
    }
    return [
        f"the model's graph does not say what is needed for {words}"
        for name, words in titles.items()
        if name in predictions.header.missing
    ]


class _Measurement:
    """The figures of images that all have labels and finite probabilities."""

    def __init__(
        self, predictions: Predictions, bootstrap: GroupBootstrap, healthy: str | None
    ) -> None:
        self._predictions, self._bootstrap = predictions, bootstrap
        classes = len(predictions.classes)
        self._predicted = predictions.probabilities.argmax(1)
        self._right: Flags = self._predicted == predictions.labels
        self._confidence: Floats = predictions.probabilities.max(1)
        self._truth = np.eye(classes)[predictions.labels]
        self._cells = np.eye(classes * classes)[predictions.labels * classes + self._predicted]
        self._healthy = None if healthy is None else predictions.classes.index(healthy)
        self._classes = classes

    def all(self) -> dict[str, object]:
        predictions = self._predictions
        matrix = confusion_matrix(predictions.labels, self._predicted, self._classes)
        values = self._computed(self._statistics())
        slices = [
            self._slice(feature, str(value))
            for feature in FEATURES
            for value in np.unique(predictions.slices[feature])
            if value != UNKNOWN
        ]
        reliability = {"calibrated": self._reliability(predictions.probabilities)}
        if predictions.uncalibrated is not None:
            reliability["uncalibrated"] = self._reliability(predictions.uncalibrated)
        curve = CoverageRisk.of(self._confidence, self._right)
        return {
            "headline": {name: figure for name, figure in values.items() if "/" not in name}
            | self._referral(),
            "by_class": {
                name: {
                    figure: values[f"{figure}/{name}"]
                    for figure in (*ONE_CLASS, "auc", "average_precision")
                }
                for name in predictions.classes
            },
            "confusion": tuple(tuple(int(count) for count in row) for row in matrix),
            "slices": tuple(slices),
            "reliability": reliability,
            "coverage": {str(c): curve.risk_at(c) for c in COVERAGES} | {"area": curve.area},
        }

    def _statistics(self) -> dict[str, tuple[Statistic, Flags, Flags | None]]:
        """Each figure: how, on which images, and where it is a share, which of them count."""
        predictions, labels = self._predictions, self._predictions.labels
        everything = np.ones(len(labels), bool)
        names = [name for name in HEADLINE if self._healthy is not None or "tumour" not in name]
        found: dict[str, tuple[Statistic, Flags, Flags | None]] = {}
        for name in names:
            found[name] = (self._of_matrix(name), everything, None)
        found["accuracy"] = (self._of_matrix("accuracy"), everything, self._right)
        if self._healthy is not None:
            tumour = labels != self._healthy
            called = self._predicted != self._healthy
            found["tumour_sensitivity"] = (self._of_matrix("tumour_sensitivity"), tumour, called)
            found["tumour_specificity"] = (self._of_matrix("tumour_specificity"), ~tumour, ~called)
            score = 1 - predictions.probabilities[:, self._healthy]
            found["tumour_auc"] = (Ranking(tumour, score).roc_auc, everything, None)
        squares = np.square(predictions.probabilities - self._truth).sum(1)
        found["brier"] = (lambda weights: weights @ squares / weights.sum(1), everything, None)
        found["ece"] = (Reliability(self._confidence, self._right).error, everything, None)
        if predictions.uncalibrated is not None:
            before = predictions.uncalibrated
            right = before.argmax(1) == labels
            found["ece_uncalibrated"] = (
                Reliability(before.max(1), right).error,
                everything,
                None,
            )
        for index, name in enumerate(predictions.classes):
            found |= self._of_class(index, name)
        return found

    def _of_class(self, index: int, name: str) -> dict[str, tuple[Statistic, Flags, Flags | None]]:
        true, called = self._predictions.labels == index, self._predicted == index
        ranking = Ranking(true, self._predictions.probabilities[:, index])
        everything = np.ones(len(true), bool)
        return {
            f"precision/{name}": (self._of_matrix("precision", index), called, true),
            f"recall/{name}": (self._of_matrix("recall", index), true, called),
            f"specificity/{name}": (self._of_matrix("specificity", index), ~true, ~called),
            f"f1/{name}": (self._of_matrix("f1", index), true, None),
            f"auc/{name}": (ranking.roc_auc, everything, None),
            f"average_precision/{name}": (ranking.average_precision, true, None),
        }

    def _of_matrix(self, figure: str, of: int | None = None) -> Statistic:
        def statistic(weights: Floats) -> Floats:
            matrices = (weights @ self._cells).reshape(-1, self._classes, self._classes)
            return figure_of(figure, matrices, of=of, healthy=self._healthy)

        return statistic

    def _computed(
        self, statistics: Mapping[str, tuple[Statistic, Flags, Flags | None]]
    ) -> dict[str, Figure]:
        once = np.ones((1, len(self._predictions)))
        samples = self._bootstrap.samples({name: how for name, (how, _, _) in statistics.items()})
        return {
            name: self._figure(float(how(once)[0]), samples[name], about, hits)
            for name, (how, about, hits) in statistics.items()
        }

    def _figure(self, value: float, samples: Floats, about: Flags, hits: Flags | None) -> Figure:
        images = int(about.sum())
        if not np.isfinite(value):
            return Figure(value=None, images=images, missing="it would be a share of no image")
        groups = self._predictions.groups
        if hits is not None and images and int((hits & about).sum()) in (0, images):
            trials = len(np.unique(groups[about]))
            low, high = exact_interval(trials if value > 0 else 0, trials)
            return Figure(value=value, low=low, high=high, images=images, exact=True)
        ends = interval(samples)
        if ends is None:
            return Figure(value=value, images=images, missing="too few groups for an interval")
        if ends[0] == ends[1]:
            return Figure(value=value, images=images, missing="no interval: all samples agree")
        return Figure(value=value, low=ends[0], high=ends[1], images=images)

    def _slice(self, feature: str, value: str) -> SliceFigures:
        inside = self._predictions.slices[feature] == value
        statistics: dict[str, tuple[Statistic, Flags, Flags | None]] = {
            "accuracy": (_share_of(inside, self._right), inside, self._right)
        }
        if self._healthy is not None:
            tumour = inside & (self._predictions.labels != self._healthy)
            called = self._predicted != self._healthy
            statistics["tumour_sensitivity"] = (_share_of(tumour, called), tumour, called)
        computed = self._computed(statistics)
        nothing = Figure(value=None, missing="no class is the one without a tumour")
        return SliceFigures(
            feature=feature,
            value=value,
            images=int(inside.sum()),
            accuracy=computed["accuracy"],
            tumour_sensitivity=computed.get("tumour_sensitivity", nothing),
        )

    def _reliability(self, probabilities: Floats) -> tuple[Bin, ...]:
        right = probabilities.argmax(1) == self._predictions.labels
        return Reliability(probabilities.max(1), right).curve()

    def _referral(self) -> dict[str, Figure]:
        refer = self._predictions.refer
        if refer is None:
            return {}
        everything = np.ones(len(refer), bool)
        return self._computed(
            {
                "referred": (_share_of(everything, refer), everything, refer),
                "accuracy_unreferred": (_share_of(~refer, self._right), ~refer, self._right),
            }
        )


def _share_of(about: Flags, hits: Flags) -> Statistic:
    """The weighted share of some images that count."""
    inside, counted = about.astype(np.float64), (about & hits).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        whole = weights @ inside
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(whole > 0, weights @ counted / whole, np.nan)

    return statistic
