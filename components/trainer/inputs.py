"""Training batches from transformed Examples, with brightness and contrast drawn on the fly."""

import tensorflow as tf

from components.trainer.config import TrainConfig
from components.transform.preprocessing import CLASS, PIXELS

_SHUFFLE_BUFFER = 10_000
"""Images shuffled over. They wait as PNG, at most some 30 KB each."""

_FEATURES = {
    PIXELS: tf.io.FixedLenFeature([], tf.string),
    CLASS: tf.io.FixedLenFeature([], tf.int64),
}


def read_batches(
    file_patterns: list[str], config: TrainConfig, image_size: int, *, training: bool
) -> tf.data.Dataset:
    """Reads one split.

    Args:
        file_patterns: Patterns of gzipped TFRecord files.
        config: Batch size, augmentation and seed.
        image_size: Height and width in pixels.
        training: Whether to shuffle and augment.

    Returns:
        Batches of float32 RGB pixels in 0..255, [batch, image_size, image_size, 3], and int64
        classes, [batch].
    """
    files = sorted(tf.io.gfile.glob(file_patterns))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    if training:
        records = records.shuffle(_SHUFFLE_BUFFER, seed=config.seed)
        records = tf.data.Dataset.zip(records, tf.data.Dataset.random(seed=config.seed))
        images = records.map(
            lambda record, seed: _augment(*_parse(record, image_size), seed, config),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    else:
        images = records.map(
            lambda record: _parse(record, image_size), num_parallel_calls=tf.data.AUTOTUNE
        )
    return images.batch(config.batch_size).prefetch(2)


def _parse(record: tf.Tensor, image_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    features = tf.io.parse_single_example(record, _FEATURES)
    pixels = tf.io.decode_png(features[PIXELS], channels=3)
    pixels = tf.ensure_shape(pixels, [image_size, image_size, 3])
    return tf.cast(pixels, tf.float32), features[CLASS]


def _augment(
    pixels: tf.Tensor, label: tf.Tensor, seed: tf.Tensor, config: TrainConfig
) -> tuple[tf.Tensor, tf.Tensor]:
    draw = tf.random.stateless_uniform([2], [seed, 0], -1.0, 1.0)
    pixels = tf.clip_by_value(pixels * (1.0 + config.brightness * draw[0]), 0.0, 255.0)
    mean = tf.reduce_mean(pixels)
    pixels = mean + (pixels - mean) * (1.0 + config.contrast * draw[1])
    return tf.clip_by_value(pixels, 0.0, 255.0), label
