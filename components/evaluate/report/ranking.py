"""How well scores rank: areas under curves, on weighted images."""

import numpy as np

from components.evaluate.metrics import ratio
from components.evaluate.predictions.table import Flags, Floats


class Ranking:
    """Scores of images, sorted once, and areas under their curves for any weights."""

    def __init__(self, positive: Flags, scores: Floats) -> None:
        """Sorts the scores.

        Args:
            positive: Which images are positive, [images].
            scores: Higher where more likely positive, [images].
        """
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._positive = positive[self._order].astype(np.float64)
        # Where a new value begins: images of equal score count at once.
        self._starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def _masses(self, weights: Floats) -> tuple[Floats, Floats]:
        """Positive and negative weight of each distinct score, the highest first."""
        ordered = weights[:, self._order]
        positive = np.add.reduceat(ordered * self._positive, self._starts, axis=1)
        return positive, np.add.reduceat(ordered, self._starts, axis=1) - positive

    def roc_auc(self, weights: Floats) -> Floats:
        """Area under the ROC curve, ties counted half.

        Args:
            weights: [samples, images].

        Returns:
            [samples], NaN where one side is empty.
        """
        positive, negative = self._masses(weights)
        above = np.cumsum(positive, axis=1) - positive / 2
        pairs = positive.sum(1) * negative.sum(1)
        return ratio((negative * above).sum(1), pairs)

    def average_precision(self, weights: Floats) -> Floats:
        """Area under the precision-recall curve, as scikit-learn sums it.

        Args:
            weights: [samples, images].

        Returns:
            [samples], NaN where nothing is positive.
        """
        positive, negative = self._masses(weights)
        hits = np.cumsum(positive, axis=1)
        precision = np.nan_to_num(ratio(hits, hits + np.cumsum(negative, axis=1)))
        return ratio((positive * precision).sum(1), positive.sum(1))
