"""The figures of a model, each defined once, for TFMA, the thresholds and the report alike.

A figure follows from sums over images. TFMA adds them up by slice (`tfma_metric`); the report
weighs the images anew for every bootstrap sample (`report.measure`, `report.compare`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from components.evaluate.config import ONE_CLASS
from components.evaluate.predictions.table import Flags, Floats

Key = tuple[str, str | None]
"""A metric's name, and the class where it is a figure of one class against the rest."""


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


class Metric(Protocol):
    """A figure."""

    @property
    def about(self) -> Flags:
        """Which images it is about, [true, predicted]."""

    def __call__(self, tally: Tally) -> Floats:
        """The figure of each weighting, NaN where it would be a share of nothing."""


@dataclass(frozen=True)
class Share:
    """How many of some images count.

    Attributes:
        about: Some images, [true, predicted].
        hits: Those that count, among others, [true, predicted].
    """

    about: Flags
    hits: Flags

    def __call__(self, tally: Tally) -> Floats:
        """The share of each weighting."""
        return ratio(_within(tally, self.about & self.hits), _within(tally, self.about))


@dataclass(frozen=True)
class F1:
    """The harmonic mean of precision and recall of a class.

    Attributes:
        about: Images of the class, [true, predicted].
        called: Images that are taken for it, [true, predicted].
    """

    about: Flags
    called: Flags

    def __call__(self, tally: Tally) -> Floats:
        """The figure of each weighting."""
        hits = _within(tally, self.about & self.called)
        return ratio(2 * hits, _within(tally, self.about) + _within(tally, self.called))


@dataclass(frozen=True)
class Mean:
    """The mean of a figure of each class, a class that is never predicted counting 0.

    As in scikit-learn it is over the classes that there are: balanced accuracy leaves out those
    without an image, the others only those that are not predicted either.

    Attributes:
        about: All images, [true, predicted].
        parts: The figure of each class.
        where: Of each class, a figure that is not computable where there is no such class.
    """

    about: Flags
    parts: Sequence[Metric]
    where: Sequence[Metric]

    def __call__(self, tally: Tally) -> Floats:
        """The mean of each weighting."""
        values, defined = (
            np.stack([metric(tally) for metric in by_class], -1)
            for by_class in (self.parts, self.where)
        )
        return ratio(np.nansum(values, -1), np.isfinite(defined).sum(-1))


@dataclass(frozen=True)
class Brier:
    """Mean squared distance of probabilities from the truth, summed over classes: 0 to 2.

    Attributes:
        about: All images, [true, predicted].
    """

    about: Flags

    def __call__(self, tally: Tally) -> Floats:
        """The score of each weighting."""
        return ratio(tally.squares, _within(tally, self.about))


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
        of_class["precision", name] = Share(called, true)
        of_class["recall", name] = Share(true, called)
        of_class["specificity", name] = Share(~true, ~called)
        of_class["f1", name] = F1(true, called)
    precisions, recalls, _, f1s = ([of_class[one, name] for name in classes] for one in ONE_CLASS)
    found: dict[Key, Metric] = {}
    if healthy is not None:
        # A tumour of any kind is found where the image is not taken for one without.
        found["tumour_sensitivity", None] = of_class["specificity", healthy]
        found["tumour_specificity", None] = of_class["recall", healthy]
    found["accuracy", None] = Share(everything, right)
    found["balanced_accuracy", None] = Mean(everything, recalls, recalls)
    found["macro_precision", None] = Mean(everything, precisions, f1s)
    found["macro_f1", None] = Mean(everything, f1s, f1s)
    found["brier", None] = Brier(everything)
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
