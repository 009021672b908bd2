"""From the bytes of an image file to the pixels that the network sees.

This is the only definition: Transform applies it to the training images, and the exported model to
a request. They differ in one thing: what ingest has stored need not be judged again.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from components.transform.config import TransformConfig
from components.transform.decoding import decode, decode_stored
from components.transform.head import find_head, head_box, head_mask, level_range
from components.transform.measures import MEASURES, cut_levels, inner_mask, sharpness

ENCODED = "image/encoded"
LABEL = "image/label"
CLASS = "image/class"
SEEN = "image/seen"
GROUP = "image/group"
PIXELS = "image/pixels"
MEASURED = "image/measures"

_ROOM = 0.02
"""What a crop shows beyond the head, as a share of its longer side, on each side."""


class Framed(NamedTuple):
    """What the network sees of a picture; of several, each with one dimension more in front.

    Attributes:
        pixels: uint8 RGB, shape [image_size, image_size, 3].
        box: The part of the picture that is shown, float32 [4]: top, left, bottom, right as shares
            of height and width, beyond [0, 1] where it is padded.
        measures: float32 [4], `components.transform.measures.MEASURES` of the picture.
        head: Which of the pixels belong to the head, bool [image_size, image_size].
    """

    pixels: tf.Tensor
    box: tf.Tensor
    measures: tf.Tensor
    head: tf.Tensor


def frame(pixels: tf.Tensor, config: TransformConfig) -> Framed:
    """Makes of a picture what the network sees: the head, framed, its levels spread.

    Args:
        pixels: uint8, shape [height, width, 3].
        config: What is done.

    Returns:
        What it sees of this picture.
    """
    height, width = tf.unstack(tf.shape(pixels)[:2], num=2)
    tangents = find_head(pixels)
    mask, inner = head_mask(tangents, height, width), inner_mask(tangents, height, width)
    cut = cut_levels(pixels, inner)
    low, high = level_range(pixels, mask) if config.levels == "head" else (0.0, 255.0)
    if config.outside == "black":
        pixels = tf.where(mask[..., tf.newaxis], pixels, tf.constant(0, tf.uint8))
    shape = tf.cast(tf.stack([height, width]), tf.float32)
    whole = tf.constant([0.0, 0.0, 1.0, 1.0])
    box = _square(head_box(tangents), shape) if config.crop == "head" else whole
    levels = (_cut_out(pixels, box, shape, config.image_size) - low) * (255.0 / (high - low))
    seen = tf.cast(tf.clip_by_value(tf.round(levels), 0.0, 255.0), tf.uint8)
    within = tf.cast(inner, tf.float32)[..., tf.newaxis]
    sharp = sharpness(seen, _cut_out(within, box, shape, config.image_size)[..., 0] > 0.5)
    measures = tf.stack([*cut, sharp, tf.reduce_mean(tf.cast(mask, tf.float32))])
    is_head = tf.cast(mask, tf.float32)[..., tf.newaxis]
    head = _cut_out(is_head, box, shape, config.image_size)[..., 0] > 0.5
    return Framed(seen, box, tf.ensure_shape(measures, [len(MEASURES)]), head)


def _square(box: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """The square around a box with some room, both in shares of the picture's shape."""
    middle, extent = (box[:2] + box[2:]) / 2.0, (box[2:] - box[:2]) * shape
    half = (0.5 + _ROOM) * tf.reduce_max(extent) / shape
    return tf.concat([middle - half, middle + half], 0)


def _cut_out(pixels: tf.Tensor, box: tf.Tensor, shape: tf.Tensor, side: int) -> tf.Tensor:
    """Resizes a box of a picture with antialiasing; beyond it is black.

    From [height, width, channels] to float32 [side, side, channels].
    """
    scale = float(side) / ((box[2:] - box[:2]) * shape)
    resized = tf.raw_ops.ScaleAndTranslate(
        images=pixels[tf.newaxis],
        size=[side, side],
        scale=scale,
        translation=-box[:2] * shape * scale,
        kernel_type="triangle",
        antialias=True,
    )
    return tf.ensure_shape(resized[0], [side, side, pixels.shape[2]])


def preprocess(encoded: tf.Tensor, config: TransformConfig) -> tf.Tensor:
    """Turns what ingest has stored into the network's input.

    Args:
        encoded: string, shape [batch], JPEG and PNG files as `imaging` passes them on.
        config: What is done to them.

    Returns:
        uint8 RGB pixels, shape [batch, image_size, image_size, 3].

    Raises:
        tf.errors.InvalidArgumentError: One of the files is no whole image.
    """
    return _preprocess(encoded, config, decode_stored).pixels


def preprocess_and_measure(encoded: tf.Tensor, config: TransformConfig) -> Framed:
    """Turns the files that clients send into the network's input, and says what they are like.

    Args:
        encoded: string, shape [batch], the bytes of image files.
        config: What is done to them.

    Returns:
        What the network sees, a picture a row.

    Raises:
        tf.errors.InvalidArgumentError: One of the files is no whole image.
    """
    return _preprocess(encoded, config, decode)


def _preprocess(
    encoded: tf.Tensor, config: TransformConfig, decoder: Callable[[tf.Tensor], tf.Tensor]
) -> Framed:
    shape = [config.image_size, config.image_size, 3]
    seen: Framed = tf.map_fn(
        lambda one: frame(decoder(one), config),
        encoded,
        fn_output_signature=Framed(
            tf.TensorSpec(shape, tf.uint8),
            tf.TensorSpec([4], tf.float32),
            tf.TensorSpec([len(MEASURES)], tf.float32),
            tf.TensorSpec(shape[:2], tf.bool),
        ),
    )
    return seen


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """TFX Transform's entry point: pixels as lossless PNG, what they are like, class and group.

    Args:
        inputs: The raw features of ingest's tf.Examples, each of shape [batch, 1].
        custom_config: `transform`, the fields of a `TransformConfig`.

    Returns:
        `image/pixels` string [batch] (PNG of image_size), `image/measures` float32 [batch, 4],
        `image/class` int64 [batch], `image/group` string [batch].
    """
    config = TransformConfig.model_validate(custom_config["transform"])
    seen = _preprocess(tf.reshape(inputs[ENCODED], [-1]), config, decode_stored)
    return {
        PIXELS: tf.map_fn(tf.io.encode_png, seen.pixels, fn_output_signature=tf.string),
        MEASURED: seen.measures,
        CLASS: tf.reshape(inputs[CLASS], [-1]),
        GROUP: tf.reshape(inputs[GROUP], [-1]),
    }


def unpack(pixels: tf.Tensor) -> tf.Tensor:
    """Decodes one of the `image/pixels` that `preprocessing_fn` has written.

    Args:
        pixels: Scalar string.

    Returns:
        uint8 RGB, shape [image_size, image_size, 3].
    """
    return tf.io.decode_png(pixels, channels=3)
