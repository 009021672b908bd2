"""Scalar features of an image, for statistics, validation and drift."""

from dataclasses import dataclass
from typing import Any

import numpy as np

_BACKGROUND = 0.1
"""Share of the brightest level up to which a pixel counts as background."""


@dataclass(frozen=True)
class Quality:
    """What an image looks like in six numbers.

    Attributes:
        mean: Mean grey level, 0 to 255.
        std: Standard deviation of the grey levels.
        foreground: Share of pixels brighter than a tenth of the brightest, 0 to 1.
        aspect: Width divided by height.
        sharpness: Standard deviation of the Laplacian of the grey levels: low for blurred images.
        border: Share of the rows and columns that hold nothing but background, 0 to 1.
    """

    mean: float
    std: float
    foreground: float
    aspect: float
    sharpness: float
    border: float


def measure(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Quality:
    """Measures an image.

    Args:
        pixels: uint8 RGB, shape [height, width, 3].

    Returns:
        Its six numbers.
    """
    # Several times faster than a reduction along the shortest axis; in place, as memory that is
    # new to the process costs more than the sums.
    grey = pixels[..., 0].astype(np.float32)
    grey += pixels[..., 1]
    grey += pixels[..., 2]
    grey /= 3
    laplacian = 4 * grey[1:-1, 1:-1]
    for neighbour in (grey[:-2, 1:-1], grey[2:, 1:-1], grey[1:-1, :-2], grey[1:-1, 2:]):
        laplacian -= neighbour
    foreground = grey > _BACKGROUND * grey.max()
    empty = (~foreground.any(axis=1)).sum() + (~foreground.any(axis=0)).sum()
    return Quality(
        mean=float(grey.mean()),
        std=float(grey.std()),
        foreground=float(foreground.mean()),
        aspect=grey.shape[1] / grey.shape[0],
        sharpness=float(laplacian.std()) if laplacian.size else 0.0,
        border=float(empty) / sum(grey.shape),
    )
