"""What tells whether a picture shows what it could: levels that are cut, blur, and framing.

The measures are those of the picture as it was sent. `components.trainer.confidence.doubts` says
which of their values are unlike those of the training images.
"""

import tensorflow as tf

from components.transform.head import grey_levels, head_mask
from imaging.head import WHOLE

MEASURES = ("cut_black", "cut_white", "sharpness", "head_share")
"""In this order they stand in a tensor."""

_INSET = 0.04
"""What is left out all along the outline, as a share of the head's least width: the ground that the
outline encloses, and the edge to it."""
_ENDS = 0.01
"""Share of the pixels below the lowest level, and above the highest, so that no single one says
where these lie."""
_BAND = 0.02
"""Width of a band of levels, as a share of their range: what JPEG leaves of a plateau."""


def inner_mask(tangents: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Which pixels lie well within a head.

    Args:
        tangents: float32 [DIRECTIONS], the head's outline.
        height: Of the picture.
        width: Of the picture.

    Returns:
        bool [height, width].
    """
    widths = tangents + tf.roll(tangents, WHOLE.tangents.size // 2, axis=0)
    return head_mask(tangents - _INSET * tf.reduce_min(widths), height, width)


def cut_levels(pixels: tf.Tensor, inner: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which share of a head is cut to black, and which to white.

    Args:
        pixels: uint8 RGB, shape [height, width, 3].
        inner: bool [height, width], from `inner_mask`.

    Returns:
        float32 scalars in [0, 1]: by how much more of the head lies in the band of its lowest
        levels than in the next one, and the same of the highest; both 1 if all is of one level.
    """
    levels = tf.cast(tf.boolean_mask(grey_levels(pixels), inner), tf.int32)
    counts = tf.math.bincount(levels, minlength=256, maxlength=256, dtype=tf.float32)
    ranks = tf.cumsum(counts)
    wanted = tf.constant([_ENDS, 1.0 - _ENDS]) * ranks[-1]
    low, high = tf.unstack(tf.cast(tf.searchsorted(ranks, wanted), tf.float32), num=2)
    return (
        _plateau(counts, low, _BAND * (high - low)),
        _plateau(tf.reverse(counts, [0]), 255.0 - high, _BAND * (high - low)),
    )


def _plateau(counts: tf.Tensor, end: tf.Tensor, band: tf.Tensor) -> tf.Tensor:
    """How much more, as a share of all, lies up to a band beyond the end than in the next band."""
    ranks = tf.cumsum(counts)
    first, both = tf.unstack(
        tf.gather(ranks, tf.cast(end + band * tf.constant([1.0, 2.0]), tf.int32)), num=2
    )
    return tf.nn.relu(tf.math.divide_no_nan(2.0 * first - both, ranks[-1]))


def sharpness(pixels: tf.Tensor, inner: tf.Tensor) -> tf.Tensor:
    """How much of a picture's change from pixel to pixel is at its finest.

    Args:
        pixels: uint8 RGB, shape [side, side, 3], as the network sees them.
        inner: bool [side, side], from `inner_mask`.

    Returns:
        float32 scalar: the Laplacian's root mean square over the gradient's, which no change of
        brightness or contrast alters; 0 if nothing changes.
    """
    grey = grey_levels(pixels)
    middle = grey[1:-1, 1:-1]
    above, below, left, right = grey[:-2, 1:-1], grey[2:, 1:-1], grey[1:-1, :-2], grey[1:-1, 2:]
    counted = tf.cast(inner[1:-1, 1:-1], tf.float32)
    laplacian = tf.reduce_sum(counted * (4.0 * middle - above - below - left - right) ** 2)
    gradient = tf.reduce_sum(counted * ((below - above) ** 2 + (right - left) ** 2)) / 4.0
    return tf.sqrt(tf.math.divide_no_nan(laplacian, gradient))
