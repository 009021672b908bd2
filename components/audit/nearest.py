"""Which images of a class are most like another image."""

from collections.abc import Sequence

import numpy as np

from components.audit.features import Features
from components.audit.folds import Labels


class Neighbours:
    """Finds images by the distance of their features."""

    def __init__(self, features: Features, labels: Labels, groups: Sequence[str]) -> None:
        """Scales the features, so that each of them counts alike.

        Args:
            features: float32 [images, numbers].
            labels: int64 [images].
            groups: Of each image.
        """
        spread = features.std(axis=0)
        self._features = features / np.where(spread > 0, spread, 1)
        self._labels = labels
        self._groups = np.asarray(groups)

    def nearest(self, row: int, label: int, count: int) -> tuple[int, ...]:
        """Finds the images of a class that are most like an image, at most one of each group.

        Args:
            row: The image; its own group is left out, as matches are evidence of another kind.
            label: The class.
            count: How many, at most.

        Returns:
            Their rows, the most alike first.
        """
        rows = np.flatnonzero((self._labels == label) & (self._groups != self._groups[row]))
        distances = np.linalg.norm(self._features[rows] - self._features[row], axis=1)
        found: dict[str, int] = {}
        for other in rows[np.argsort(distances, kind="stable")].tolist():
            found.setdefault(str(self._groups[other]), other)
            if len(found) == count:
                break
        return tuple(found.values())
