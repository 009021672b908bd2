"""From the bytes of an image file to the pixels that the network sees.

This is the only definition: Transform applies it to the training images, and the exported model to
a request. They differ in one thing: what ingest has stored need not be judged again.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.transform.config import TransformConfig
from components.transform.decoding import decode, decode_stored

ENCODED = "image/encoded"
LABEL = "image/label"
CLASS = "image/class"
SEEN = "image/seen"
PIXELS = "image/pixels"

_BACKGROUND = 0.1
"""Share of an image's brightest level up to which a pixel counts as empty background."""
_LEAST_FILLED = 0.02
"""Share of a row or column that must be brighter than background for the row to hold the head."""


def head_box(pixels: tf.Tensor) -> tf.Tensor:
    """Finds the box around the head: rows and columns that are not empty background.

    Args:
        pixels: uint8, shape [height, width, 3].

    Returns:
        float32 [4]: top, left, bottom, right as shares of height and width, in [0, 1]. The whole
        frame where nothing stands out from the background.
    """
    grey = tf.reduce_mean(tf.cast(pixels, tf.float32), axis=2)
    bright = tf.cast(grey > _BACKGROUND * tf.reduce_max(grey), tf.float32)
    rows = _extent(tf.reduce_mean(bright, axis=1))
    columns = _extent(tf.reduce_mean(bright, axis=0))
    return tf.stack([rows[0], columns[0], rows[1], columns[1]])


def _extent(filled: tf.Tensor) -> tf.Tensor:
    """First and last position, as shares of the length, whose filled share is large enough."""
    length = tf.cast(tf.size(filled), tf.float32)
    found = tf.cast(tf.where(filled > _LEAST_FILLED)[:, 0], tf.float32)
    return tf.cond(
        tf.size(found) > 0,
        lambda: tf.stack([tf.reduce_min(found) / length, (tf.reduce_max(found) + 1.0) / length]),
        lambda: tf.constant([0.0, 1.0]),
    )


def crop_and_resize(pixels: tf.Tensor, config: TransformConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Crops to the head, if asked to, and resizes with antialiasing.

    Args:
        pixels: uint8, shape [height, width, 3].
        config: Size and crop.

    Returns:
        uint8, shape [image_size, image_size, 3], and the box that was cut out, float32 [4]: top,
        left, bottom, right as shares of height and width.
    """
    box = tf.constant([0.0, 0.0, 1.0, 1.0])
    if config.crop == "head":
        box = head_box(pixels)
        shape = tf.cast(tf.shape(pixels)[:2], tf.float32)
        edges = tf.cast(tf.round(box * tf.tile(shape, [2])), tf.int32)
        pixels = pixels[edges[0] : edges[2], edges[1] : edges[3]]
    size = [config.image_size, config.image_size]
    resized = tf.image.resize(pixels, size, method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8), box


def preprocess(encoded: tf.Tensor, config: TransformConfig) -> tf.Tensor:
    """Turns what ingest has stored into the network's input.

    Args:
        encoded: string, shape [batch], JPEG and PNG files as `imaging` passes them on.
        config: Size and crop.

    Returns:
        uint8 RGB pixels, shape [batch, image_size, image_size, 3].

    Raises:
        tf.errors.InvalidArgumentError: One of the files is no whole image.
    """
    return _preprocess(encoded, config, decode_stored)[0]


def preprocess_and_locate(
    encoded: tf.Tensor, config: TransformConfig
) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns the files that clients send into the network's input, and says what part each is.

    Args:
        encoded: string, shape [batch], the bytes of image files.
        config: Size and crop.

    Returns:
        uint8 RGB pixels, shape [batch, image_size, image_size, 3], and float32 [batch, 4]: top,
        left, bottom, right of the part as shares of the file's height and width.

    Raises:
        tf.errors.InvalidArgumentError: One of the files is no whole image.
    """
    return _preprocess(encoded, config, decode)


def _preprocess(
    encoded: tf.Tensor, config: TransformConfig, decoder: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    shape = [config.image_size, config.image_size, 3]
    pixels, boxes = tf.map_fn(
        lambda one: crop_and_resize(decoder(one), config),
        encoded,
        fn_output_signature=(tf.TensorSpec(shape, tf.uint8), tf.TensorSpec([4], tf.float32)),
    )
    return pixels, boxes


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """TFX Transform's entry point: pixels as lossless PNG, and the class.

    Args:
        inputs: The raw features of ingest's tf.Examples, each of shape [batch, 1].
        custom_config: `transform`, the fields of a `TransformConfig`.

    Returns:
        `image/pixels` string [batch] (PNG of image_size), `image/class` int64 [batch].
    """
    config = TransformConfig.model_validate(custom_config["transform"])
    pixels = preprocess(tf.reshape(inputs[ENCODED], [-1]), config)
    return {
        PIXELS: tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string),
        CLASS: tf.reshape(inputs[CLASS], [-1]),
    }


def unpack(pixels: tf.Tensor) -> tf.Tensor:
    """Decodes one of the `image/pixels` that `preprocessing_fn` has written.

    Args:
        pixels: Scalar string.

    Returns:
        uint8 RGB, shape [image_size, image_size, 3].
    """
    return tf.io.decode_png(pixels, channels=3)
