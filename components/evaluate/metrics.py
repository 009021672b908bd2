"""The figures of a model, each defined once, for TFMA, the thresholds and the report alike.

A figure follows from sums over images. TFMA adds them up by slice (`tfma_metric`); the report
weighs the images anew for every bootstrap sample (`report.measure`, `report.compare`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.evaluate.config import ONE_CLASS
from components.evaluate.predictions.table import Flags, Floats

Key = tuple[str, str | None]
"""A metric's name, and the class where it is a figure of one class against the rest."""


def metric_name(metric: str, of: str | None = None) -> str:
    """The name of a metric in TFMA's results, as it also reads in a sentence.

    Args:
        metric: The figure.
        of: Name of the class, for a figure of one class.

    Returns:
        Such as `recall of glioma`.
    """
    words = metric.replace("_", " ")
    return f"{words} of {of}" if of is not None else words


@dataclass(frozen=True)
class Tally:
    """What images add up to, once or for each of several weightings.

    Attributes:
        counts: Images by true and by predicted class, [weightings, true, predicted].
        squares: Their squared distances of the probabilities from the truth, [weightings].
    """

    counts: Floats
    squares: Floats

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.counts + other.counts, self.squares + other.squares)


class Answers:
    """What a model answers of images whose class is known.

    Attributes:
        labels: True class indices, [images].
        predicted: The likeliest classes, [images].
        confidence: Their probabilities, [images].
        right: Whether they are the true ones, [images].
    """

    def __init__(self, labels: npt.NDArray[np.int64], probabilities: Floats) -> None:
        """Takes the likeliest class of each image.

        Args:
            labels: True class indices, [images].
            probabilities: [images, classes].
        """
        images, self._classes = probabilities.shape
        self.labels = labels
        self.predicted = probabilities.argmax(1)
        self.confidence: Floats = probabilities.max(1)
        self.right: Flags = self.predicted == labels
        rows = np.arange(images)
        truth = np.zeros((images, self._classes))
        truth[rows, labels] = 1
        self._squares = np.square(probabilities - truth).sum(1)
        self._cells = np.zeros((images, self._classes**2))
        self._cells[rows, labels * self._classes + self.predicted] = 1

    def among(self, cells: Flags) -> Flags:
        """Which images some cells of the confusion matrix hold.

        Args:
            cells: [true, predicted].

        Returns:
            [images].
        """
        return np.asarray(cells[self.labels, self.predicted])

    def tally(self, weights: Floats | None = None) -> Tally:
        """Adds the images up.

        Args:
            weights: How often each counts, [weightings, images]; all once by default.
        """
        if weights is None:
            weights = np.ones((1, len(self.labels)))
        counts = (weights @ self._cells).reshape(-1, self._classes, self._classes)
        return Tally(counts, weights @ self._squares)


@dataclass(frozen=True)
class Metric:
    """A figure.

    Attributes:
        about: Which images it is about, [true, predicted].
        of: From a tally to the figure of each weighting, NaN where it would be a share of nothing.
        hits: Where it is a share of these images, those that count, among others.
    """

    about: Flags
    of: Callable[[Tally], Floats]
    hits: Flags | None = None


def share(about: Flags, hits: Flags) -> Metric:
    """How many of some images count.

    Args:
        about: Some images, [true, predicted].
        hits: Those that count, among others, [true, predicted].
    """
    both = about & hits
    return Metric(about, lambda tally: ratio(_within(tally, both), _within(tally, about)), hits)


def f1(true: Flags, called: Flags) -> Metric:
    """The harmonic mean of precision and recall of a class.

    Args:
        true: Images of the class, [true, predicted].
        called: Images that are taken for it, [true, predicted].
    """

    def of(tally: Tally) -> Floats:
        hits = _within(tally, true & called)
        return ratio(2 * hits, _within(tally, true) + _within(tally, called))

    return Metric(true, of)


def mean(about: Flags, parts: Sequence[Metric], where: Sequence[Metric]) -> Metric:
    """The mean of a figure of each class, a class that is never predicted counting 0.

    As in scikit-learn it is over the classes that there are: balanced accuracy leaves out those
    without an image, the others only those that are not predicted either.

    Args:
        about: All images, [true, predicted].
        parts: The figure of each class.
        where: Of each class, a figure that is not computable where there is no such class.
    """

    def of(tally: Tally) -> Floats:
        values, defined = (
            np.stack([metric.of(tally) for metric in by_class], -1) for by_class in (parts, where)
        )
        return ratio(np.nansum(values, -1), np.isfinite(defined).sum(-1))

    return Metric(about, of)


def brier(about: Flags) -> Metric:
    """Mean squared distance of probabilities from the truth, summed over classes: 0 to 2.

    Args:
        about: All images, [true, predicted].
    """
    return Metric(about, lambda tally: ratio(tally.squares, _within(tally, about)))


def metrics(classes: Sequence[str], healthy: str | None) -> dict[Key, Metric]:
    """All figures of a model that tells some classes apart.

    Args:
        classes: Class names in the order of the probabilities.
        healthy: The class without a tumour; None where no class is, then nothing is of tumours.

    Returns:
        Each by its name, such as `("accuracy", None)` and `("recall", "glioma")`.
    """
    size = len(classes)
    everything, right = np.ones((size, size), bool), np.eye(size, dtype=bool)
    of_class: dict[Key, Metric] = {}
    for index, name in enumerate(classes):
        true = np.zeros((size, size), bool)
        true[index] = True
        called = true.T
        of_class["precision", name] = share(called, true)
        of_class["recall", name] = share(true, called)
        of_class["specificity", name] = share(~true, ~called)
        of_class["f1", name] = f1(true, called)
    precisions, recalls, _, f1s = ([of_class[one, name] for name in classes] for one in ONE_CLASS)
    found: dict[Key, Metric] = {}
    if healthy is not None:
        # A tumour of any kind is found where the image is not taken for one without.
        found["tumour_sensitivity", None] = of_class["specificity", healthy]
        found["tumour_specificity", None] = of_class["recall", healthy]
    found["accuracy", None] = share(everything, right)
    found["balanced_accuracy", None] = mean(everything, recalls, recalls)
    found["macro_precision", None] = mean(everything, precisions, f1s)
    found["macro_f1", None] = mean(everything, f1s, f1s)
    found["brier", None] = brier(everything)
    return found | of_class


def _within(tally: Tally, cells: Flags) -> Floats:
    return np.asarray((tally.counts * cells).sum((-2, -1)))


def ratio(part: Floats, whole: Floats) -> Floats:
    """Divides, NaN where it would be a share of nothing.

    Args:
        part: Weights.
        whole: Those that they are part of.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def finite(value: float | None) -> float | None:
    """A figure; None if there is none, or it is not finite."""
    return value if value is not None and math.isfinite(value) else None
