"""Whether a confidence of 80 % is right in 80 of 100 cases."""

import numpy as np
import numpy.typing as npt

from components.evaluate.predictions.table import Flags, Floats
from components.evaluate.report.figures import Bin

BINS = 15


class Reliability:
    """Confidence against correctness, in bins of equal mass.

    Images of equal confidence fall into one bin, that of their middle: no order tells them apart.

    Source: the expected calibration error of C. Guo et al., On Calibration of Modern Neural
    Networks (ICML 2017), with bins of equal mass instead of equal width.
    """

    def __init__(self, confidence: Floats, right: Flags) -> None:
        """Sorts the images by confidence.

        Args:
            confidence: Of the likeliest class, [images].
            right: Whether it is the true one, [images].
        """
        order = np.argsort(confidence, kind="stable")
        self._order = order
        self._confidence, self._right = confidence[order], right[order].astype(np.float64)
        new = np.r_[True, np.diff(self._confidence) != 0][: len(order)]
        self._starts, self._value_of = np.flatnonzero(new), np.cumsum(new) - 1

    def error(self, weights: Floats) -> Floats:
        """The expected calibration error.

        Args:
            weights: [samples, images].

        Returns:
            [samples], the mean distance of confidence and accuracy over the bins.
        """
        ordered = weights[:, self._order]
        bins = self._bins(ordered) + BINS * np.arange(len(ordered))[:, None]
        gaps = ordered * (self._confidence - self._right)
        sums = np.bincount(bins.ravel(), weights=gaps.ravel(), minlength=BINS * len(ordered))
        return np.asarray(np.abs(sums.reshape(-1, BINS)).sum(1) / ordered.sum(1))

    def curve(self) -> tuple[Bin, ...]:
        """The bins that hold an image, the least confident first."""
        bins = self._bins(np.ones((1, len(self._order))))[0]
        return tuple(
            Bin(
                confidence=float(self._confidence[inside].mean()),
                accuracy=float(self._right[inside].mean()),
                images=int(inside.sum()),
            )
            for number in range(BINS)
            if (inside := bins == number).any()
        )

    def _bins(self, ordered: Floats) -> npt.NDArray[np.int64]:
        masses = np.add.reduceat(ordered, self._starts, axis=1)
        middle = np.cumsum(masses, axis=1) - masses / 2
        share = middle / masses.sum(1, keepdims=True)
        bins = np.asarray(np.minimum(BINS * share, BINS - 1), np.int64)
        return bins[:, self._value_of]
