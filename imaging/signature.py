"""What an image looks like, small enough to compare every image with every other.

A signature survives what is done to copies: resizing, re-encoding, borders, brightness. Flipping or
turning an image by 90 degrees flips or turns its signature. Two are compared by their correlation,
see `components.ingest.duplicates`.
"""

from typing import Any

import numpy as np
from PIL import Image

SIGNATURE_SHAPE = (80, 80)

_LONGEST = 512
"""Pixels: larger images are reduced first, so that a signature's cost is bounded."""
_BORDER_SPREAD, _DARK_BORDER_SPREAD = 0.25, 0.1
"""Lines along an edge whose levels spread less than this, as a share of the brightest level, are
border. Dark lines may hold faint tissue."""
_DARK = 0.25
"""Share of the brightest level that a line without dark pixels stays above."""
_THUMBNAIL = 32
"""Side, in cells, of the view that the head is found in: too coarse for text, rims and noise."""
_DARKER = 0.4
"""Share of all brightness that lies below the head's level."""
_EMPTY, _FILLED = 0.4, 0.7
"""Shares of the head's level at which a cell counts as not and as wholly belonging to the head."""
_MARGIN = 0.125
"""What a view of the head shows beyond it, as a share of its box on each side."""
_SMOOTHING = 1.0
"""Deviation, in cells, of the blur that takes away what resizing and re-encoding change."""
_WINDOW = 13
"""Side, in cells, of the neighbourhood whose mean and deviation are removed."""
_FAINT = 0.05
"""Share of the head's level below which a local deviation is noise rather than structure."""
_CENTRE = slice(20, 60)
"""Cells along each axis that neither the head's outline nor the frame reaches."""
_FEATURELESS = 0.1
"""Root mean square in the centre below which the rest is an outline and noise."""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Signature = np.ndarray[Any, np.dtype[np.int8]]
Structure = np.ndarray[Any, np.dtype[np.float32]]
_Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""
_Levels = tuple[tuple[int, int], tuple[int, int]]
"""Of rows, of columns: before the first and after the last."""
_BLACK: _Levels = ((0, 0), (0, 0))


def signature(pixels: Pixels) -> Signature:
    """Computes an image's signature, in one to two milliseconds.

    Args:
        pixels: uint8 RGB, shape [height, width, 3].

    Returns:
        int8, shape `SIGNATURE_SHAPE`: `structure`, scaled to the range of int8, which correlation
        does not see; all zero for an image without structure.
    """
    found = structure(pixels)
    largest = float(np.abs(found).max())
    if largest == 0:
        return np.zeros(SIGNATURE_SHAPE, np.int8)
    scaled: Signature = np.rint(found * (127 / largest)).astype(np.int8)
    return scaled


def structure(pixels: Pixels) -> Structure:
    """Cuts out the head, resizes it and removes its local mean and deviation.

    Args:
        pixels: uint8 RGB, shape [height, width, 3].

    Returns:
        float32, shape `SIGNATURE_SHAPE`, of mean zero; all zero where only noise is left.
    """
    from scipy.ndimage import gaussian_filter, uniform_filter

    grey = _without_border(_grey(pixels))
    box, level = _find_head(grey)
    head = gaussian_filter(_view(grey, box, SIGNATURE_SHAPE[0], _edge_levels(grey)), _SMOOTHING)
    mean = uniform_filter(head, _WINDOW)
    deviation = np.sqrt(np.maximum(uniform_filter(head * head, _WINDOW) - mean * mean, 0))
    found: Structure = (head - mean) / (deviation + np.float32(_FAINT * level + 1))
    if float(np.sqrt(np.mean(found[_CENTRE, _CENTRE] ** 2))) < _FEATURELESS:
        return np.zeros(SIGNATURE_SHAPE, np.float32)
    found -= found.mean()
    return found


def _grey(pixels: Pixels) -> Pixels:
    """Grey levels, uint8 [height, width], reduced if the image is large."""
    image = Image.fromarray(pixels).convert("L")
    scale = _LONGEST / max(image.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _without_border(grey: Pixels) -> Pixels:
    """Takes uniform lines off the edges, black, white and grey ones, until there are none."""
    while True:
        before = grey.shape
        for axis in (1, 0):
            lowest = grey.min(axis)
            dark = lowest <= _DARK * grey.max()
            spread = np.where(dark, _DARK_BORDER_SPREAD, _BORDER_SPREAD) * grey.max()
            kept = np.flatnonzero(grey.max(axis) - lowest > spread)
            if not kept.size:
                return grey
            inner = slice(kept[0], kept[-1] + 1)
            grey = grey[inner] if axis else grey[:, inner]
        if grey.shape == before:
            return grey


def _edge_levels(grey: Pixels) -> _Levels:
    """The middle level along the top, bottom, left and right edge."""
    return (_middle(grey[0]), _middle(grey[-1])), (_middle(grey[:, 0]), _middle(grey[:, -1]))


def _middle(edge: Pixels) -> int:
    """The median, rounded down; several times faster than NumPy's."""
    ordered = np.sort(edge)
    return (int(ordered[(edge.size - 1) // 2]) + int(ordered[edge.size // 2])) // 2


def _find_head(grey: Pixels) -> tuple[_Box, float]:
    """Finds the head's box and its level, first in the whole frame, then around the head."""
    left, top, right, bottom = 0.0, 0.0, float(grey.shape[1]), float(grey.shape[0])
    level = 0.0
    for _ in range(2):
        left, right = _widened(left, right)
        top, bottom = _widened(top, bottom)
        view = _view(grey, (left, top, right, bottom), _THUMBNAIL, _BLACK)
        level = _level(view)
        filled = np.clip((view / max(level, 1) - _EMPTY) / (_FILLED - _EMPTY), 0, 1)
        left, right = _extent(filled.sum(axis=0), left, right)
        top, bottom = _extent(filled.sum(axis=1), top, bottom)
    return (left, top, right, bottom), level


def _widened(first: float, last: float) -> tuple[float, float]:
    margin = _MARGIN * (last - first)
    return first - margin, last + margin


def _level(view: Structure) -> float:
    """The head's level: one that background and clipped highlights hardly move."""
    levels = np.sort(view, axis=None)
    brightness = np.cumsum(levels)
    return float(levels[np.searchsorted(brightness, _DARKER * brightness[-1])])


def _extent(filled: Structure, first: float, last: float) -> tuple[float, float]:
    """Where the ellipse of the same moments begins and ends, between `first` and `last`."""
    total = float(filled.sum())
    if total == 0:
        return first, last
    positions = first + (np.arange(filled.size) + 0.5) * (last - first) / filled.size
    centre = float(filled @ positions) / total
    deviation = float(np.sqrt(filled @ (positions - centre) ** 2 / total))
    half = max(2 * deviation, (last - first) / filled.size)
    return centre - half, centre + half


def _view(grey: Pixels, box: _Box, side: int, beyond: _Levels) -> Structure:
    """Cuts a box out of the image and resizes it with antialiasing.

    Args:
        grey: uint8 [height, width].
        box: It may reach beyond the image.
        side: Of the result.
        beyond: Levels above and below the image, and left and right of it.

    Returns:
        float32 [side, side].
    """
    height, width = grey.shape
    left, top = int(np.floor(box[0])), int(np.floor(box[1]))
    right, bottom = int(np.ceil(box[2])), int(np.ceil(box[3]))
    inner = grey[max(top, 0) : bottom, max(left, 0) : right]
    above, before = max(-top, 0), max(-left, 0)
    below, behind = above + inner.shape[0], before + inner.shape[1]
    # What np.pad does, which takes as long as all the rest.
    cut = np.empty((below + max(bottom - height, 0), behind + max(right - width, 0)), np.uint8)
    cut[above:below, before:behind] = inner
    (cut[:above], cut[below:]), (cut[:, :before], cut[:, behind:]) = beyond
    exact = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    image = Image.fromarray(cut)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, exact), np.float32)
