"""Versions of a training image: levels and geometry drawn from the image's own digest."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from components.trainer.config import AugmentConfig


def augment(
    pixels: tf.Tensor, digests: Sequence[bytes], version: int, config: AugmentConfig
) -> tf.Tensor:
    """Makes one version of each image.

    What is drawn depends on the image, the version and the seed, and on nothing else: the same
    version of an image is the same in any order, batch and run.

    Args:
        pixels: uint8 RGB, shape [batch, height, width, 3].
        digests: Of each image, at least 4 bytes.
        version: Which version, from 0.
        config: What may be drawn, within which bounds.

    Returns:
        uint8, shape of `pixels`.
    """
    if version == 0 and config.keep_original:
        return pixels
    draws = np.stack([_draw(digest, version, config.seed) for digest in digests])
    levels = _move(tf.cast(pixels, tf.float32), draws, config)
    levels = _relight(levels, draws, config)
    return tf.cast(tf.round(levels), tf.uint8)


def _draw(digest: bytes, version: int, seed: int) -> np.ndarray:
    """Nine numbers from -1 to 1."""
    generator = np.random.default_rng([seed, version, int.from_bytes(digest[:4], "little")])
    return generator.uniform(-1, 1, 9).astype(np.float32)


def _relight(levels: tf.Tensor, draws: np.ndarray, config: AugmentConfig) -> tf.Tensor:
    brightness, contrast, gamma = (draws[:, i, None, None, None] for i in range(3))
    levels = tf.clip_by_value(levels * (1 + config.brightness * brightness), 0, 255)
    mean = tf.reduce_mean(levels, axis=[1, 2, 3], keepdims=True)
    levels = tf.clip_by_value(mean + (levels - mean) * (1 + config.contrast * contrast), 0, 255)
    if config.gamma:
        levels = 255 * (levels / 255) ** tf.exp(config.gamma * gamma)
    return levels


def _move(levels: tf.Tensor, draws: np.ndarray, config: AugmentConfig) -> tf.Tensor:
    """Flips, turns, scales and shifts about the centre; what comes into view is black."""
    if not (config.flip or config.rotate or config.zoom or config.shift or config.upside_down):
        return levels
    height, width = levels.shape[1:3]
    over = np.float32(180) * (draws[:, 8] < 2 * config.upside_down - 1)
    turn = np.deg2rad(config.rotate * draws[:, 3] + over)
    scale = 1 / (1 + config.zoom * draws[:, 4])
    mirror = np.where(config.flip & (draws[:, 5] > 0), -1.0, 1.0)
    # From a pixel of the result to the place in the source that it shows.
    across = (scale * np.cos(turn) * mirror, -scale * np.sin(turn) * mirror)
    down = (scale * np.sin(turn), scale * np.cos(turn))
    x, y = (width - 1) / 2, (height - 1) / 2
    right, below = config.shift * draws[:, 6] * width, config.shift * draws[:, 7] * height
    transforms = np.stack(
        [
            *across,
            x - across[0] * (x + right) - across[1] * (y + below),
            *down,
            y - down[0] * (x + right) - down[1] * (y + below),
            np.zeros_like(turn),
            np.zeros_like(turn),
        ],
        axis=1,
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=levels,
        transforms=tf.constant(transforms, tf.float32),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
