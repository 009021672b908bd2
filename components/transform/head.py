"""`imaging.head` as TensorFlow operations: where the head is in a picture, and its levels.

What a request holds has not passed through `imaging`, so the served graph finds the head itself.
The numbers are `imaging.head`'s; the two differ by what resizing rounds.
"""

from functools import cache

import numpy as np
import tensorflow as tf

from imaging.head import (
    CELLS,
    DARK,
    DARKER,
    EMPTY,
    ENDS,
    FAINT,
    FLAT,
    FLAT_DARK,
    GROUND,
    GROWTH,
    LEAST,
    MARGIN,
    ON_IT,
    PASSES,
    THICK,
    TURNS,
    WHOLE,
    Grey,
    blur_weights,
    normals,
)

_GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey level (ITU-R BT.601), as Pillow takes them."""
LEVEL_ENDS = (0.02, 0.995)
"""Shares of a head's pixels whose levels become 0 and 255."""


# One function in a graph, however many of its signatures call it.
@tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)], autograph=False)
def find_head(pixels: tf.Tensor) -> tf.Tensor:
    """Finds the head, as `imaging.head.find_head` does.

    Args:
        pixels: uint8 RGB, shape [height, width, 3].

    Returns:
        float32 [DIRECTIONS], the outline's tangents; those of `WHOLE` if nothing stands out.
    """
    view = _blurred(_on_black(_view(pixels)))
    level = _head_level(view)
    bright = tf.logical_and(level >= 1.0, view > EMPTY * level)
    tangents = tf.constant(WHOLE.tangents)
    for _ in range(PASSES):
        tangents = _outline(tf.logical_and(bright, head_mask(tangents, CELLS, CELLS)), tangents)
    return tangents


def head_mask(tangents: tf.Tensor, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
    """Which pixels of a picture belong to the head, as `imaging.head.Outline.mask` says.

    Args:
        tangents: float32 [DIRECTIONS].
        height: Of the picture.
        width: Of the picture.

    Returns:
        bool [height, width].
    """
    steep, flat = normals().T
    crossings = (tangents + ON_IT - steep * _centres(height)[:, tf.newaxis]) / flat
    first = tf.reduce_max(tf.boolean_mask(crossings, flat < 0, axis=1), axis=1, keepdims=True)
    last = tf.reduce_min(tf.boolean_mask(crossings, flat > 0, axis=1), axis=1, keepdims=True)
    right = _centres(width)
    return tf.logical_and(first <= right, right <= last)


def head_box(tangents: tf.Tensor) -> tf.Tensor:
    """The box around an outline, as `imaging.head.Outline.box` says.

    Args:
        tangents: float32 [DIRECTIONS].

    Returns:
        float32 [4]: top, left, bottom and right as shares of height and width, in [0, 1].
    """
    quarter = WHOLE.tangents.size // 4
    right, bottom, left, top = tf.unstack(tangents[::quarter], num=4)
    return tf.clip_by_value(tf.stack([0.5 - top, 0.5 - left, 0.5 + bottom, 0.5 + right]), 0.0, 1.0)


def level_range(pixels: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The grey levels that a head's lie between, but for a few.

    Args:
        pixels: uint8 RGB, shape [height, width, 3].
        mask: bool [height, width], the head.

    Returns:
        float32 scalars: the 2nd and the 99.5th percentile; 0 and 255 if they are the same.
    """
    levels = tf.boolean_mask(tf.cast(grey_levels(pixels), tf.int32), mask)
    counts = tf.math.bincount(levels, minlength=256, maxlength=256)
    ranks = tf.cast(tf.cumsum(counts), tf.float32)
    wanted = tf.constant(LEVEL_ENDS) * ranks[-1]
    low, high = tf.unstack(tf.cast(tf.searchsorted(ranks, wanted), tf.float32), num=2)
    differ = high > low
    return tf.where(differ, low, 0.0), tf.where(differ, high, 255.0)


def grey_levels(pixels: tf.Tensor) -> tf.Tensor:
    """Grey levels of a picture, as Pillow makes them.

    Args:
        pixels: uint8 RGB, shape [height, width, 3].

    Returns:
        float32 [height, width], whole numbers.
    """
    return tf.round(tf.tensordot(tf.cast(pixels, tf.float32), tf.constant(_GREY), 1))


def _centres(count: int | tf.Tensor) -> tf.Tensor:
    """Where the middles of so many pixels lie, float32 [count], from -0.5 to 0.5."""
    count = tf.cast(count, tf.float32)
    return (tf.range(count) + 0.5) / count - 0.5


def _view(pixels: tf.Tensor) -> tf.Tensor:
    grey = grey_levels(pixels)[..., tf.newaxis]
    view = tf.image.resize(grey, [CELLS, CELLS], method="bilinear", antialias=True)
    return tf.round(view[..., 0])


def _blurred(view: tf.Tensor) -> tf.Tensor:
    across = tf.constant(_blur())
    return tf.matmul(tf.matmul(across, view), across, transpose_b=True)


@cache
def _blur() -> Grey:
    """What blurs a column of the view, float32 [CELLS, CELLS]; beyond its edges lies its mirror."""
    weights = blur_weights()
    columns = np.pad(
        np.eye(CELLS, dtype=np.float32), [(weights.size // 2,) * 2, (0, 0)], "symmetric"
    )
    return np.stack([weights @ columns[row : row + weights.size] for row in range(CELLS)])


def _head_level(view: tf.Tensor) -> tf.Tensor:
    shown = tf.where(view > FAINT * tf.reduce_max(view), view, 0.0)
    counts = tf.math.bincount(tf.cast(shown, tf.int32), minlength=256, maxlength=256)
    brightness = tf.cumsum(counts * tf.range(256))
    least = DARKER * tf.cast(brightness[-1], tf.float32)
    return tf.reduce_sum(tf.cast(tf.cast(brightness, tf.float32) < least, tf.float32))


def _on_black(view: tf.Tensor) -> tf.Tensor:
    brightest = tf.reduce_max(view)
    within = [tf.ones([CELLS], tf.bool)] * 2  # of rows, of columns
    found = tf.constant(True)
    for _ in range(2):
        for axis in (1, 0):
            others = tf.expand_dims(_between(within[axis], ENDS), 1 - axis)
            highest = tf.reduce_max(tf.where(others, view, view.dtype.min), axis)
            lowest = tf.reduce_min(tf.where(others, view, view.dtype.max), axis)
            flat = tf.where(lowest <= DARK * brightest, FLAT_DARK, FLAT) * brightest
            kept = tf.logical_and(highest - lowest > flat, within[1 - axis])
            found = tf.logical_and(found, tf.reduce_any(kept))
            within[1 - axis] = tf.where(found, _between(kept), within[1 - axis])
    inner = tf.logical_and(within[0][:, tf.newaxis], within[1])
    places = [tf.where(one)[:, 0] for one in within]
    cut = tf.gather(tf.gather(view, places[0]), places[1], axis=1)
    edge = tf.concat([cut[0], cut[-1], cut[:, 0], cut[:, -1]], 0)
    ordered = tf.sort(edge)
    ground = (ordered[(tf.size(edge) - 1) // 2] + ordered[tf.size(edge) // 2]) / 2.0
    is_ground = tf.cast(tf.abs(edge - ground) <= GROUND * brightest, tf.float32)
    is_bright = tf.logical_and(ground > DARK * brightest, tf.reduce_mean(is_ground) > 0.5)
    laid = tf.where(is_bright, tf.abs(view - ground), view)
    return tf.where(found, tf.where(inner, laid, 0.0), view)


def _between(kept: tf.Tensor, ends: int = 0) -> tf.Tensor:
    """From the first to the last that is kept, without so many at both ends, bool [CELLS]."""
    places = tf.range(CELLS)
    return tf.logical_and(_first(kept, 0) + ends <= places, places <= _last(kept, 0) - ends)


def _first(bright: tf.Tensor, axis: int) -> tf.Tensor:
    return tf.argmax(tf.cast(bright, tf.uint8), axis, tf.int32)


def _last(bright: tf.Tensor, axis: int) -> tf.Tensor:
    return CELLS - 1 - _first(tf.reverse(bright, [axis]), axis)


def _outline(bright: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
    """The tangents of what is thick and hangs together; the given ones where nothing is."""
    filled = _enclosed(bright)
    cores = tf.stack([tf.logical_not(_grown(~filled, taken)) for taken in THICK])
    enough = tf.reduce_mean(tf.cast(cores, tf.float32), axis=(1, 2)) >= LEAST
    chosen = _first(enough, 0)
    piece = _piece(cores[chosen])
    is_enough = tf.reduce_mean(tf.cast(piece, tf.float32)) >= LEAST
    head = tf.stack([_grown(piece, taken) for taken in THICK])[chosen]
    for _ in range(GROWTH):
        head = tf.logical_and(_grown(head, 1), filled)
    rows = tf.cast(tf.tile(tf.range(CELLS), [2]), tf.float32)
    sides = tf.cast(tf.concat([_first(head, 1), _last(head, 1)], 0), tf.float32)
    shares = (tf.stack([rows, sides], axis=1) + 0.5) / CELLS - 0.5
    reached = tf.where(
        tf.tile(tf.reduce_any(head, 1), [2])[:, tf.newaxis],
        tf.matmul(shares, normals(), transpose_b=True),
        tf.float32.min,
    )
    tangents = tf.reduce_max(reached, axis=0) + MARGIN / CELLS
    return tf.where(is_enough, tangents, otherwise)


def _enclosed(bright: tf.Tensor) -> tf.Tensor:
    places = tf.range(CELLS)
    rows, columns = places[:, tf.newaxis], places
    beside = [
        _first(bright, 1)[:, tf.newaxis] <= columns,
        columns <= _last(bright, 1)[:, tf.newaxis],
    ]
    above = [_first(bright, 0) <= rows, rows <= _last(bright, 0)]
    any_beside = tf.reduce_any(bright, 1, keepdims=True)
    any_above = tf.reduce_any(bright, 0, keepdims=True)
    within = [*beside, *above, tf.logical_and(any_beside, any_above)]
    return tf.reduce_all(tf.stack(within), axis=0)


def _grown(cells: tf.Tensor, by: int) -> tf.Tensor:
    """All cells that one of these is near to, by so many cells along both axes."""
    places = np.arange(CELLS)
    near = tf.constant(np.abs(places[:, np.newaxis] - places) <= by, tf.float32)
    return tf.matmul(tf.matmul(near, tf.cast(cells, tf.float32)), near) > 0.5


def _piece(core: tf.Tensor) -> tf.Tensor:
    """Of what hangs together the piece that most lies beside, above and below."""
    counts = tf.cast(core, tf.int32)
    crowded = counts * tf.reduce_sum(counts, 1, keepdims=True) * tf.reduce_sum(counts, 0)
    seed = tf.reshape(tf.one_hot(tf.argmax(tf.reshape(crowded, [-1])), CELLS**2), [CELLS, CELLS])
    turned = tf.transpose(core)
    across, down = _runs(core), _runs(turned)

    piece = tf.logical_and(seed > 0, core)
    for _ in range(TURNS):
        piece = tf.logical_and(_spread(piece, across), core)
        piece = tf.transpose(tf.logical_and(_spread(tf.transpose(piece), down), turned))
    return piece


def _runs(core: tf.Tensor) -> tf.Tensor:
    """Numbers that the cells of a row share, int32 [CELLS, CELLS], if only core lies between."""
    row = tf.range(CELLS)[:, tf.newaxis] * (CELLS + 1)
    return row + tf.cumsum(tf.cast(~core, tf.int32), axis=1)


def _spread(piece: tf.Tensor, runs: tf.Tensor) -> tf.Tensor:
    """All cells whose run holds one of the piece's."""
    numbers = tf.cast(piece, tf.int32)
    reached = tf.math.unsorted_segment_max(
        tf.reshape(numbers, [-1]), tf.reshape(runs, [-1]), CELLS * (CELLS + 1)
    )
    return tf.gather(reached, runs) > 0
