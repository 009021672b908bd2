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

CELLS = 96
"""Side of the view that the head is found in; a picture that is not square is squeezed."""
DIRECTIONS = 48
"""Of the outline's tangents, evenly spread."""
SMOOTHING = 1.0
"""Deviation, in cells, of the blur that takes noise away."""
EMPTY = 0.35
"""Share of the head's level up to which a cell is background."""
FAINT = 0.1
"""Share of the brightest level up to which a cell says nothing of the head's level."""
DARKER = 0.4
"""Share of all brightness that lies below the head's level."""
PASSES = 2
"""The second looks at what the first has found: without a frame all round, and what it enclosed."""
THICK = (5, 3, 1)
"""Cells that are taken off all round to find what is thick enough to be a head, tried in turn."""
LEAST = 0.02
"""Share of the cells that must be left for that."""
TURNS = 3
"""How often a path through a piece may turn back: what is filled has few corners."""
GROWTH = 2
"""Cells, beyond those that were taken off, by which it may grow again: hair, not letters."""
MARGIN = 1.0
"""Cells between the head and its outline."""
FLAT, FLAT_DARK = 0.25, 0.1
"""A line along an edge is border if its levels spread less than this share of the brightest; a line
that holds dark cells may also hold faint tissue, and must be flatter."""
ENDS = 2
"""Cells at both ends of a line that do not count for that: a frame's lines meet there."""
DARK = 0.25
"""Share of the brightest level that a line without dark cells stays above."""
SEEN = 16
"""Levels up to this one, of 255, are black to the eye."""
SLACK = 2
"""Cells beyond the outline that are no reason to change a picture."""
ON_IT = 1e-6
"""How far beyond a tangent, as a share of the picture's side, a pixel still lies on it."""
GROUND = 0.1
"""How far from the ground's level, as a share of the brightest, an edge's cells belong to it."""

Grey = np.ndarray[Any, np.dtype[np.float32]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.intp]]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Outline:
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

    @property
    def area(self) -> float:
        """Share of the picture that the head takes up; 0 where none can be told."""
        return 0.0 if self is WHOLE else float(self.mask(CELLS, CELLS).mean())

    def mask(self, height: int, width: int, beyond: float = ON_IT) -> Mask:
        """Which pixels of a picture belong to the head.

        Args:
            height: Of the picture.
            width: Of the picture.
            beyond: How far outside the outline they may lie, as a share of the picture's side.

        Returns:
            bool [height, width].
        """
        down = ((np.arange(height) + 0.5) / height - 0.5).astype(np.float32)[:, None]
        steep, flat = normals().T
        # Where each row crosses each tangent; those that run along the row lie far out.
        crossings = (self.tangents + np.float32(beyond) - steep * down) / flat
        first = crossings[:, flat < 0].max(axis=1)[:, None]
        last = crossings[:, flat > 0].min(axis=1)[:, None]
        right = ((np.arange(width) + 0.5) / width - 0.5).astype(np.float32)
        inside: Mask = (first <= right) & (right <= last)
        return inside


WHOLE = Outline(np.full(DIRECTIONS, 1.0, np.float32))
"""The outline of a picture in which no head can be told from its ground: the whole frame."""


@cache
def normals() -> Grey:
    """The tangents' directions, float32 [DIRECTIONS, 2]: down, right; the first points right."""
    turn = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    found: Grey = np.stack([np.sin(turn), np.cos(turn)], axis=1).astype(np.float32)
    return found


def find_head(pixels: Pixels) -> Outline:
    """Finds the head: what is bright, thick and hangs together, and all between it.

    Letters are thinner than a head and are left out, also where they touch it. Nothing that a
    window has cut to black or white leaves a hole.

    Args:
        pixels: uint8, [height, width] or RGB [height, width, 3].

    Returns:
        Its outline; `WHOLE` if nothing stands out.
    """
    view = _blurred(_on_black(_view(pixels)))
    level = _head_level(view)
    if level < 1:
        return WHOLE
    head, bright, found = WHOLE, np.zeros((CELLS, CELLS), bool), view > EMPTY * level
    for _ in range(PASSES):
        if np.array_equal(bright, found):
            break
        bright = found
        tangents = _outline(bright)
        if tangents is None:
            break
        head = Outline(tangents)
        found = bright & head.mask(CELLS, CELLS)
    return head


def head_alone(pixels: Pixels) -> tuple[Pixels, Outline]:
    """Blackens all that lies outside the head.

    Args:
        pixels: uint8, [height, width] or RGB [height, width, 3].

    Returns:
        The same picture, black outside, and the outline; itself where nobody could see anything
        farther outside than an outline moves when the rest has become black.
    """
    head = find_head(pixels)
    rows, columns = pixels.shape[:2]
    shape = (rows, columns, 1)[: pixels.ndim]
    near, inside = (
        head.mask(rows, columns, beyond).reshape(shape) for beyond in (SLACK / CELLS, ON_IT)
    )
    is_seen = (pixels * ~near).max() > SEEN
    return (pixels * inside if is_seen else pixels), head


def _view(pixels: Pixels) -> Grey:
    """Grey levels, float32 [CELLS, CELLS]."""
    grey = pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))
    small = Image.fromarray(grey).resize((CELLS, CELLS), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32)


def _blurred(view: Grey) -> Grey:
    """Blurs the view; beyond its edges lies its mirror image."""
    weights = blur_weights()
    reach = weights.size // 2
    for _ in range(2):
        mirrored = np.concatenate([view[reach - 1 :: -1], view, view[: -reach - 1 : -1]])
        view = sum(
            weight * mirrored[start : start + CELLS] for start, weight in enumerate(weights)
        ).T
    return view


@cache
def blur_weights() -> Grey:
    """Of a cell and its neighbours along one axis, float32 [an odd number], 1 together."""
    reach = round(4 * SMOOTHING)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTHING) ** 2)
    found: Grey = (weights / weights.sum()).astype(np.float32)
    return found


def _on_black(view: Grey) -> Grey:
    """Blackens flat lines along the edges, and shows the distance from a ground that is bright."""
    brightest = float(view.max())
    (top, bottom), (left, right) = (0, CELLS), (0, CELLS)
    for _ in range(2):
        for axis in (1, 0):
            cut = view[top:bottom, left:right]
            if cut.shape[axis] <= 2 * ENDS:
                return view
            between = cut[:, ENDS:-ENDS] if axis else cut[ENDS:-ENDS]
            highest, lowest = between.max(axis), between.min(axis)
            flat = np.where(lowest <= DARK * brightest, FLAT_DARK, FLAT) * brightest
            kept = np.flatnonzero(highest - lowest > flat)
            if not kept.size:
                return view
            if axis:
                top, bottom = top + kept[0], top + kept[-1] + 1
            else:
                left, right = left + kept[0], left + kept[-1] + 1
    cut = view[top:bottom, left:right]
    edge = np.concatenate([cut[0], cut[-1], cut[:, 0], cut[:, -1]])
    ground = float(np.median(edge))
    is_ground = np.abs(edge - ground) <= GROUND * brightest
    if ground > DARK * brightest and is_ground.mean() > 0.5:
        cut = np.abs(cut - ground)
    found = np.zeros_like(view)
    found[top:bottom, left:right] = cut
    return found


def _head_level(view: Grey) -> int:
    """The head's level, 0 to 255: one that background and clipped highlights hardly move."""
    shown = np.where(view > FAINT * view.max(), view, 0).astype(np.intp)
    brightness = np.cumsum(np.bincount(shown.ravel(), minlength=256) * np.arange(256))
    return int(np.searchsorted(brightness, DARKER * brightness[-1]))


def _outline(bright: Mask) -> Grey | None:
    """The tangents of what is thick and hangs together; None where nothing is."""
    filled = _enclosed(bright)
    for taken in THICK:
        core = ~_grown(~filled, taken)
        if core.mean() >= LEAST:
            break
    else:
        return None
    piece = _piece(core)
    if piece.mean() < LEAST:
        return None
    head = _grown(piece, taken)
    for _ in range(GROWTH):
        head = _grown(head, 1) & filled
    rows = np.flatnonzero(head.any(1))
    sides = (head[rows].argmax(1), CELLS - 1 - head[rows, ::-1].argmax(1))
    places = np.stack([np.tile(rows, 2), np.concatenate(sides)], axis=1)
    shares = (places + 0.5).astype(np.float32) / CELLS - np.float32(0.5)
    tangents: Grey = (shares @ normals().T).max(axis=0) + np.float32(MARGIN / CELLS)
    return tangents


def _enclosed(bright: Mask) -> Mask:
    """Adds what has something bright above, below, on its left and on its right."""
    places = np.arange(CELLS)
    rows, columns = places[:, None], places
    above, left = bright.argmax(0), bright.argmax(1)[:, None]
    below = CELLS - 1 - bright[::-1].argmax(0)
    right = CELLS - 1 - bright[:, ::-1].argmax(1)[:, None]
    between = (above <= rows) & (rows <= below) & (left <= columns) & (columns <= right)
    found: Mask = between & bright.any(0) & bright.any(1, keepdims=True)
    return found


def _grown(cells: Mask, by: int) -> Mask:
    """All cells that one of these is near to, by so many cells along both axes."""
    for _ in range(2):
        wider = cells.copy()
        for step in range(1, by + 1):
            wider[step:] |= cells[:-step]
            wider[:-step] |= cells[step:]
        cells = wider.T
    return cells


def _piece(core: Mask) -> Mask:
    """Of what hangs together the piece that most lies beside, above and below."""
    crowded = core * core.sum(1, keepdims=True) * core.sum(0)
    piece = np.zeros_like(core)
    piece.flat[crowded.argmax()] = True
    across, down = _runs(core), _runs(core.T)
    for _ in range(TURNS):
        piece = _spread(piece, across) & core
        piece = _spread(piece.T, down).T & core
        if np.array_equal(piece, core):
            break
    return piece


def _runs(core: Mask) -> Numbers:
    """Numbers that the cells of a row share, [CELLS, CELLS], if only core lies between."""
    row = np.arange(CELLS)[:, None] * (CELLS + 1)
    return row + np.cumsum(~core, axis=1)


def _spread(piece: Mask, runs: Numbers) -> Mask:
    """All cells whose run holds one of the piece's."""
    reached = np.zeros(CELLS * (CELLS + 1), bool)
    reached[runs[piece]] = True
    return reached[runs]
