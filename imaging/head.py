"""Where the head is in a picture, and what its levels are.

Names, dates, scales and logos lie outside the head, and so does what tells archives apart: borders
and the room that a head is given. The outline is found on a small view by steps that a TensorFlow
graph can do as well: `components.transform.head` is this module once more, for requests.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from imaging.signature import head_level

CELLS = 96
"""Side of the view that the head is found in; a picture that is not square is squeezed."""
DIRECTIONS = 48
"""Of the outline's tangents, evenly spread."""
EMPTY = 0.35
"""Share of the head's level up to which a cell is background."""
THICK = (5, 3, 1)
"""Cells that are taken off all round to find what is thick enough to be a head, tried in turn."""
LEAST = 0.02
"""Share of the cells that must be left for that."""
GROWTH = 2
"""Cells, beyond those that were taken off, by which it may grow again: hair, not letters."""
MARGIN = 1.0
"""Cells between the head and its outline."""
FLAT, FLAT_DARK = 0.25, 0.1
"""A line along an edge is border if its levels spread less than this share of the brightest; a line
that holds dark cells may also hold faint tissue, and must be flatter."""
DARK = 0.25
"""Share of the brightest level that a line without dark cells stays above."""
GROUND = 0.1
"""How far from the ground's level, as a share of the brightest, an edge's cells belong to it."""

Grey = np.ndarray[Any, np.dtype[np.float32]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Head:
    """A head's outline: the convex polygon that its tangents enclose.

    Attributes:
        tangents: float32 [DIRECTIONS]: how far from the picture's centre each tangent lies, height
            and width being 1. `normals` are their directions.
    """

    tangents: Grey

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Top, left, bottom and right as shares of height and width, in [0, 1]."""
        quarter = DIRECTIONS // 4
        right, bottom, left, top = self.tangents[::quarter]
        edges = (0.5 - top, 0.5 - left, 0.5 + bottom, 0.5 + right)
        inside = [float(np.clip(edge, 0, 1)) for edge in edges]
        return inside[0], inside[1], inside[2], inside[3]

    def mask(self, height: int, width: int) -> Mask:
        """Which pixels of a picture belong to the head.

        Args:
            height: Of the picture.
            width: Of the picture.

        Returns:
            bool [height, width].
        """
        down = ((np.arange(height) + 0.5) / height - 0.5).astype(np.float32)[:, None]
        right = ((np.arange(width) + 0.5) / width - 0.5).astype(np.float32)
        inside = np.ones((height, width), bool)
        for (y, x), tangent in zip(normals(), self.tangents, strict=True):
            inside &= y * down + x * right <= tangent
        return inside


WHOLE = Head(np.full(DIRECTIONS, 1.0, np.float32))
"""The outline of a picture in which no head can be told from its ground: the whole frame."""


@cache
def normals() -> Grey:
    """The tangents' directions, float32 [DIRECTIONS, 2]: down, right; the first points right."""
    turn = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    found: Grey = np.stack([np.sin(turn), np.cos(turn)], axis=1).astype(np.float32)
    return found


def find_head(pixels: Pixels) -> Head:
    """Finds the head: what is bright, thick and hangs together, and all between it.

    Letters are thinner than a head and are left out, also where they touch it. Nothing that a
    window has cut to black or white leaves a hole.

    Args:
        pixels: uint8, [height, width] or RGB [height, width, 3].

    Returns:
        Its outline; `WHOLE` if nothing stands out.
    """
    from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

    view = gaussian_filter(_on_black(_view(pixels)), 1.0)
    level = head_level(view)
    if level < 1:
        return WHOLE
    bright = _enclosed(view > EMPTY * level)
    for taken in THICK:
        core = minimum_filter(bright, 2 * taken + 1, mode="constant", cval=1)
        if core.mean() >= LEAST:
            break
    else:
        return WHOLE
    head = maximum_filter(core, 2 * taken + 1)
    for _ in range(GROWTH):
        head = maximum_filter(head, 3) & bright
    down, right = (np.nonzero(head)[axis] + 0.5 for axis in (0, 1))
    places = np.stack([down, right]).astype(np.float32) / CELLS - 0.5
    tangents = (normals() @ places).max(axis=1) + MARGIN / CELLS
    return Head(tangents.astype(np.float32))


def head_alone(pixels: Pixels) -> tuple[Pixels, Head]:
    """Blackens all that lies outside the head.

    Args:
        pixels: uint8, [height, width] or RGB [height, width, 3].

    Returns:
        The same picture, black outside, and the outline.
    """
    head = find_head(pixels)
    mask = head.mask(*pixels.shape[:2])
    return np.where(mask if pixels.ndim == 2 else mask[..., None], pixels, np.uint8(0)), head


def _view(pixels: Pixels) -> Grey:
    """Grey levels, float32 [CELLS, CELLS]."""
    grey = pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))
    small = Image.fromarray(grey).resize((CELLS, CELLS), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32)


def _on_black(view: Grey) -> Grey:
    """Blackens flat lines along the edges, and makes the distance from a bright ground the level."""
    brightest = float(view.max())
    inner = np.ones_like(view, bool)
    for _ in range(2):
        for axis in (1, 0):
            highest = np.where(inner, view, 0).max(axis)
            lowest = np.where(inner, view, 255).min(axis)
            flat = np.where(lowest <= DARK * brightest, FLAT_DARK, FLAT) * brightest
            kept = np.flatnonzero(highest - lowest > flat)
            if not kept.size:
                return view
            between = np.zeros(CELLS, bool)
            between[kept[0] : kept[-1] + 1] = True
            inner &= between[:, None] if axis else between
    rows, columns = np.flatnonzero(inner.any(1)), np.flatnonzero(inner.any(0))
    cut = view[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    edge = np.concatenate([cut[0], cut[-1], cut[:, 0], cut[:, -1]])
    ground = float(np.median(edge))
    is_ground = np.abs(edge - ground) <= GROUND * brightest
    if ground > DARK * brightest and is_ground.mean() > 0.5:
        view = np.abs(view - ground)
    return np.where(inner, view, np.float32(0))


def _enclosed(bright: Mask) -> Mask:
    """Adds what has something bright above, below, on its left and on its right."""
    found = bright.copy()
    above, left = (np.maximum.accumulate(bright, axis) for axis in (0, 1))
    below = np.maximum.accumulate(bright[::-1], 0)[::-1]
    right = np.maximum.accumulate(bright[:, ::-1], 1)[:, ::-1]
    found |= above & below & left & right
    return found
