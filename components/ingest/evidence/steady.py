"""What of a look a tumour hardly changes: it tells where an image comes from, not what it shows.

A large bright tumour moves a head's brightest levels, and with them everything that is measured
against these. What is measured against the middle of the head stays. Between the synthetic images'
classes, which differ by the tumour alone, levels tell `notumor` with an area under the ROC curve of
0.95, these numbers with that of chance.
"""

from __future__ import annotations

import numpy as np

from imaging.appearance import NAMES, Vectors

_MIDDLE = ("level 5 %", "level 10 %", "level 25 %", "level 75 %")
_RIM = ("ring 0", "ring 1", "ring 0 spread", "ring 1 spread")
_SHAPE = ("height by width", "fill", "upper share", "border", "resolution")
_LEAST = 0.02
"""What a level is divided by at least."""


def steady_levels(vectors: Vectors) -> Vectors:
    """Levels below the bright ones beside the median, and those of the rim beside the brain's.

    Args:
        vectors: `imaging.appearance` of each image.

    Returns:
        float32 [images, 8].
    """
    return np.hstack([_beside(vectors, _MIDDLE, "level 50 %"), _beside(vectors, _RIM, "ring 2")])


def look_numbers(vectors: Vectors) -> Vectors:
    """What images are grouped by: those levels, the outline, its frame and sharpness.

    Args:
        vectors: `imaging.appearance` of each image.

    Returns:
        float32 [images, 14].
    """
    shape = vectors[:, [NAMES.index(name) for name in _SHAPE]]
    sharpness = _beside(vectors, ("fine detail",), "coarse detail")
    return np.hstack([steady_levels(vectors), shape, sharpness])


def _beside(vectors: Vectors, names: tuple[str, ...], other: str) -> Vectors:
    least = np.maximum(vectors[:, [NAMES.index(other)]], np.float32(_LEAST))
    found: Vectors = vectors[:, [NAMES.index(name) for name in names]] / least
    return found
