"""Prediction sets: the classes that remain possible, with the true one among them at a set rate.

Split-conformal and class-conditional (Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued
Classifiers with Bounded Error Levels", 2019). Images of one group are not independent evidence, so
a group counts as one (Lee, Barber and Willett, "Distribution-free inference with hierarchical
data", 2023).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf

_ROUNDING = 1e-9
"""Cumulated weights that are so little below the level have reached it."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictionSets:
    """Which classes remain possible.

    Attributes:
        level: How often the true class is in the set, at least; 0 to 1.
        thresholds: For each class, the probability from which it is in the set. 0 if too few images
            of the class were held out to leave it out of any.
    """

    level: float
    thresholds: tuple[float, ...]

    def __call__(self, probabilities: "tf.Tensor") -> "tf.Tensor":
        """Says which classes remain possible.

        Args:
            probabilities: float32 [batch, classes], calibrated.

        Returns:
            bool [batch, classes]. The likeliest class is always among them: a set without it would
            contradict the answer, and an empty one would say nothing.
        """
        import tensorflow as tf

        likeliest = tf.one_hot(
            tf.argmax(probabilities, axis=1), len(self.thresholds), on_value=True, off_value=False
        )
        return likeliest | (probabilities >= tf.constant(self.thresholds, tf.float32))


def fit_sets(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.str_],
    level: float,
    classes: Sequence[str] = (),
) -> PredictionSets:
    """Fits a threshold for each class on images that were held out.

    With n groups of a class, the threshold is the lowest probability that the true class reaches
    with the weight `level`, where each group weighs 1/(n + 1), shared by its images of the class,
    and the rest is an image that has not been seen.

    Args:
        probabilities: float32 [images, classes], calibrated, of `eval`.
        labels: int64 [images], class indices.
        groups: [images]: images of one group show the same picture or patient.
        level: How often the true class is to be in the set.
        classes: Names, for the log.

    Returns:
        The sets.
    """
    thresholds = []
    for index in range(probabilities.shape[1]):
        own = labels == index
        threshold, count = _threshold(probabilities[own, index], groups[own], level)
        if count < _fewest(level):
            name = classes[index] if classes else str(index)
            _LOG.info(
                "%s is in every prediction set: eval has %d groups of images of it, and a level of "
                "%g takes %d",
                name, count, level, _fewest(level),
            )  # fmt: skip
        thresholds.append(threshold)
    return PredictionSets(level, tuple(thresholds))


def _threshold(
    probabilities: NDArray[np.float32], groups: NDArray[np.str_], level: float
) -> tuple[float, int]:
    """The threshold of a class, and how many groups it has."""
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(-probabilities, kind="stable")
    weights = 1 / ((len(sizes) + 1) * sizes[group_of[order]])
    reached = np.flatnonzero(np.cumsum(weights) >= level - _ROUNDING)
    if not len(reached):
        return 0.0, len(sizes)
    return float(probabilities[order[reached[0]]]), len(sizes)


def _fewest(level: float) -> int:
    """How many groups a class must have to be left out of any set."""
    return int(np.ceil(level / (1 - level) - _ROUNDING))
