"""How a picture looks, without what is in it: levels of the head, its outline, its sharpness.

Pictures of one scanner, sequence, window and view look alike whatever disease they show. Where a
class has a look of its own, a network learns the look.
"""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from imaging.head import CELLS, DIRECTIONS, Head, normals

BINS = 16
"""Of the histogram of levels, from the head's dark end to its bright end."""
PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
"""Of the head's levels; the first and the last are the ends of its range."""
RINGS = (0.0, 0.08, 0.2, 0.4, 0.65, 1.0)
"""Where rings begin and end, from the outline to the innermost: scalp and skull, then brain."""
BLACK, WHITE = 5, 250
"""Levels up to which and from which a pixel may have been cut; JPEG moves them by a few."""
NEAR, FAR = 1, 3
"""Pixels between the neighbours that sharpness is measured with."""

LEVELS = (
    *(f"level {percentile} %" for percentile in PERCENTILES),
    *(f"bin {number}" for number in range(BINS)),
    "spread",
    "black",
    "white",
)
"""Names of the numbers that are levels alone, wherever in the head they are."""
NAMES = (
    *LEVELS,
    *(f"ring {number}" for number in range(len(RINGS) - 1)),
    *(f"ring {number} spread" for number in range(len(RINGS) - 1)),
    "height by width",
    "fill",
    "upper share",
    "uneven sides",
    "resolution",
    "fine detail",
    "coarse detail",
    "border",
)
"""Names of all numbers, those of `LEVELS` first.

Levels are shares of 255 and bins are shares of the head's pixels. A ring's level is a share of the
head's own range. Height by width is of the head's box, fill the share of the box that is head. The
resolution is the binary logarithm of the picture's side, detail is the mean distance of a pixel
from its neighbours as a share of the head's range, and border the share of the picture that is not
the head's box.
"""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Vector = np.ndarray[Any, np.dtype[np.float32]]
Vectors = np.ndarray[Any, np.dtype[np.float32]]
"""One a row."""


def appearance(pixels: Pixels, head: Head) -> Vector:
    """Says how a picture looks, in about a millisecond.

    Args:
        pixels: uint8, [height, width] or RGB [height, width, 3].
        head: Its head's outline.

    Returns:
        float32 [len(NAMES)], all finite; a picture of one level has spreads and details of zero.
    """
    grey = pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))
    height, width = grey.shape
    depth = (head.tangents[:, None, None] - _projections()).min(0)
    inside = depth >= 0
    if not inside.any():
        inside = np.ones_like(inside)
    # The nearest pixels: a mean of neighbours would soften what a window has cut.
    rows, columns = (_sampled(side) for side in grey.shape)
    sample = grey[np.ix_(rows, columns)][inside]
    percentiles = np.percentile(sample, PERCENTILES)
    low, reach = percentiles[0], max(percentiles[-1] - percentiles[0], 1.0)
    relative = np.clip((sample - low) / reach, 0, 1)
    bins = np.bincount(np.minimum((relative * BINS).astype(np.intp), BINS - 1), minlength=BINS)
    deep = depth[inside] / max(float(depth.max()), 1e-6)
    top, left, bottom, right = head.box
    area = max((bottom - top) * (right - left), 1e-6)
    found = [
        *(percentiles / 255),
        *(bins / sample.size),
        sample.std() / 255,
        np.mean(sample <= BLACK),
        np.mean(sample >= WHITE),
        *_rings(relative, deep),
        (bottom - top) * height / max((right - left) * width, 1e-6),
        min(inside.mean() / area, 1.0),
        *_halves(inside),
        np.log2(height * width) / 2,
        *(_detail(grey, rows, columns, step)[inside].mean() / reach for step in (NEAR, FAR)),
        1 - area,
    ]
    return np.array(found, np.float32)


@cache
def _projections() -> Vector:
    """How far each cell lies along each of the outline's normals, [DIRECTIONS, CELLS, CELLS]."""
    place = ((np.arange(CELLS) + 0.5) / CELLS - 0.5).astype(np.float32)
    down, right = normals().T.reshape(2, DIRECTIONS, 1, 1)
    found: Vector = down * place[:, None] + right * place
    return found


def _sampled(side: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The pixels along a side that the cells' middles fall on."""
    return ((np.arange(CELLS) + 0.5) * side / CELLS).astype(np.intp)


def _rings(relative: Any, deep: Any) -> list[float]:
    """Mean and spread of the levels of each ring; of an empty one, those of the head."""
    ring = np.clip(np.searchsorted(RINGS, deep, side="right") - 1, 0, len(RINGS) - 2)
    count = np.bincount(ring, minlength=len(RINGS) - 1)
    total = np.bincount(ring, relative, len(RINGS) - 1)
    squares = np.bincount(ring, relative * relative, len(RINGS) - 1)
    mean = np.where(count, total / np.maximum(count, 1), relative.mean())
    square = np.where(count, squares / np.maximum(count, 1), np.mean(relative * relative))
    return [*mean, *np.sqrt(np.maximum(square - mean * mean, 0))]


def _halves(inside: Any) -> tuple[float, float]:
    """The upper half's share of the head, and how much the left and the right half differ."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    head = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    upper = head[: len(head) // 2].sum() / head.sum()
    half = head.shape[1] // 2
    left, right = head[:, :half].sum(), head[:, head.shape[1] - half :].sum()
    return float(upper), float(abs(left - right) / head.sum())


def _detail(grey: Pixels, rows: Any, columns: Any, step: int) -> Any:
    """The distance of each sampled pixel from the mean of four neighbours `step` pixels away."""
    around = [
        grey[np.ix_(np.clip(rows + down, 0, grey.shape[0] - 1), columns)].astype(np.int32)
        for down in (-step, step)
    ] + [
        grey[np.ix_(rows, np.clip(columns + right, 0, grey.shape[1] - 1))].astype(np.int32)
        for right in (-step, step)
    ]
    return np.abs(4 * grey[np.ix_(rows, columns)].astype(np.int32) - sum(around)) / 4
