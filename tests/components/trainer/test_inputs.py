import numpy as np
import pytest
import tensorflow as tf
from drawing import draw, encode

from components.trainer.config import TrainConfig
from components.trainer.inputs import read_batches

SIZE = 32


@pytest.fixture
def split(tmp_path) -> list[str]:
    with tf.io.TFRecordWriter(str(tmp_path / "data.gz"), "GZIP") as writer:
        for index in range(10):
            feature = {
                "image/pixels": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[encode(draw(index, (SIZE, SIZE)))])
                ),
                "image/class": tf.train.Feature(int64_list=tf.train.Int64List(value=[index])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return [str(tmp_path / "*")]


def _epoch(split: list[str], config: TrainConfig, *, training: bool):
    batches = list(read_batches(split, config, SIZE, training=training).as_numpy_iterator())
    return np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])


def test_eval_batches_are_the_images_in_order(split):
    pixels, labels = _epoch(split, TrainConfig(batch_size=4), training=False)
    np.testing.assert_array_equal(labels, range(10))
    for index in range(10):
        np.testing.assert_array_equal(pixels[index], draw(index, (SIZE, SIZE)))


def test_training_batches_are_shuffled_and_augmented_within_bounds(split):
    config = TrainConfig(batch_size=4, brightness=0.2, contrast=0.0, seed=3)
    pixels, labels = _epoch(split, config, training=True)
    assert sorted(labels) == list(range(10))
    assert list(labels) != list(range(10))
    factors = []
    for image, label in zip(pixels, labels, strict=True):
        original = draw(label, (SIZE, SIZE)).astype("float32")
        unclipped = (original > 0) & (original < 200)
        ratio = image[unclipped] / original[unclipped]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
        factors.append(ratio[0])
    assert min(factors) >= 0.8
    assert max(factors) <= 1.2
    assert np.std(factors) > 0.02


def test_contrast_keeps_the_mean_level(split):
    config = TrainConfig(batch_size=10, brightness=0.0, contrast=0.1)
    pixels, labels = _epoch(split, config, training=True)
    for image, label in zip(pixels, labels, strict=True):
        assert abs(image.mean() - draw(label, (SIZE, SIZE)).mean()) < 5


def test_same_seed_same_batches(split):
    config = TrainConfig(batch_size=4, seed=1)
    first, again = (_epoch(split, config, training=True)[0] for _ in range(2))
    other, _ = _epoch(split, config.model_copy(update={"seed": 2}), training=True)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
