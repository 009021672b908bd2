"""How a picture looks, without what is in it: levels of the head, its outline, its sharpness.

Pictures of one scanner, sequence, window and view look alike whatever disease they show. Where a
class has a look of its own, a network learns the look.
"""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from imaging.head import CELLS, DIRECTIONS, Outline, normals

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
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Places = np.ndarray[Any, np.dtype[np.intp]]
Vector = np.ndarray[Any, np.dtype[np.float32]]
Vectors = np.ndarray[Any, np.dtype[np.float32]]
"""One a row."""


def appearance(pixels: Pixels, head: Outline) -> Vector:
    """Says how a picture looks, in one to two milliseconds.

    Args:
        pixels: uint8, [height, width] or RGB [height, width, 3].
        head: Its head's outline.

    Returns:
        float32 [len(NAMES)], all finite; a picture of one level has spreads and details of zero.
    """
    grey = pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))
    height, width = grey.shape
    depth = _depth(head)
    inside = depth >= 0
    if not inside.any():
        inside = np.ones_like(inside)
    # The nearest pixels: a mean of neighbours would soften what a window has cut.
    down, right = np.nonzero(inside)
    rows = ((down + 0.5) * (height / CELLS)).astype(np.intp)
    columns = ((right + 0.5) * (width / CELLS)).astype(np.intp)
    sample = grey[rows, columns]
    ordered = np.sort(sample)
    places = np.rint(np.array(PERCENTILES) * ((sample.size - 1) / 100)).astype(np.intp)
    percentiles = ordered[places].astype(float)
    low, reach = percentiles[0], max(percentiles[-1] - percentiles[0], 1.0)
    counts = np.bincount(sample, minlength=256) / sample.size
    relative = ((np.arange(256) - low) / reach).clip(0, 1)
    bins = np.bincount(np.minimum((relative * BINS).astype(np.intp), BINS - 1), counts, BINS)
    top, left, bottom, right_end = head.box
    area = max((bottom - top) * (right_end - left), 1e-6)
    found = [
        *(percentiles / 255),
        *bins,
        sample.std() / 255,
        counts[: BLACK + 1].sum(),
        counts[WHITE:].sum(),
        *_rings(relative.astype(np.float32)[sample], depth[inside]),
        (bottom - top) * height / max((right_end - left) * width, 1e-6),
        min(inside.mean() / area, 1.0),
        *_halves(inside),
        np.log2(height * width) / 2,
        *(_detail(grey, rows, columns, step) / reach for step in (NEAR, FAR)),
        1 - area,
    ]
    return np.array(found, np.float32)


def _depth(head: Outline) -> Vector:
    """How far inside the outline each cell lies, [CELLS, CELLS]; outside it is negative."""
    depth = np.full((CELLS, CELLS), np.inf, np.float32)
    room = np.empty_like(depth)
    for tangent, projection in zip(head.tangents, _projections(), strict=True):
        np.minimum(depth, np.subtract(tangent, projection, out=room), out=depth)
    return depth


@cache
def _projections() -> Vector:
    """How far each cell lies along each of the outline's normals, [DIRECTIONS, CELLS, CELLS]."""
    place = ((np.arange(CELLS) + 0.5) / CELLS - 0.5).astype(np.float32)
    down, right = normals().T.reshape(2, DIRECTIONS, 1, 1)
    found: Vector = down * place[:, None] + right * place
    return found


def _rings(relative: Vector, deep: Vector) -> list[float]:
    """Mean and spread of the levels of each ring; of an empty one, those of the head."""
    share = deep / max(float(deep.max()), 1e-6)
    ring = np.zeros(deep.size, np.intp)
    for start in RINGS[1:-1]:
        ring += share >= start
    count = np.bincount(ring, minlength=len(RINGS) - 1)
    total = np.bincount(ring, relative, len(RINGS) - 1)
    squares = np.bincount(ring, relative * relative, len(RINGS) - 1)
    mean = np.where(count, total / np.maximum(count, 1), relative.mean())
    square = np.where(count, squares / np.maximum(count, 1), np.mean(relative * relative))
    return [*mean, *np.sqrt(np.maximum(square - mean * mean, 0))]


def _halves(inside: Mask) -> tuple[float, float]:
    """The upper half's share of the head, and how much the left and the right half differ."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    head = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    upper = head[: len(head) // 2].sum() / head.sum()
    half = head.shape[1] // 2
    left, right = head[:, :half].sum(), head[:, head.shape[1] - half :].sum()
    return float(upper), float(abs(left - right) / head.sum())


def _detail(grey: Pixels, rows: Places, columns: Places, step: int) -> float:
    """How far pixels are, in the mean, from the mean of four neighbours `step` pixels away."""
    height, width = grey.shape
    levels, across = grey.ravel(), rows * width
    around = np.zeros(rows.size, np.int32)
    for moved in (-step, step):
        around += levels[(rows + moved).clip(0, height - 1) * width + columns]
        around += levels[across + (columns + moved).clip(0, width - 1)]
    return float(np.abs(4 * levels[across + columns].astype(np.int32) - around).mean()) / 4
