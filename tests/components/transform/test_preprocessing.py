import numpy as np
import pytest
import tensorflow as tf
from drawing import draw, encode

from components.transform.config import TransformConfig
from components.transform.preprocessing import decode, preprocess

HEAD = TransformConfig(image_size=32, crop="head")
FRAME = TransformConfig(image_size=32, crop="none")


@pytest.mark.parametrize(
    ("format", "channels"), [("JPEG", 1), ("JPEG", 3), ("PNG", 1), ("PNG", 3), ("PNG", 4)]
)
def test_any_channel_count_becomes_rgb(format, channels):
    pixels = preprocess(tf.constant([encode(draw(1, channels=channels), format)]), HEAD)
    assert pixels.shape == (1, 32, 32, 3)
    assert pixels.dtype == tf.uint8


def test_without_crop_the_whole_frame_is_resized():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    [resized] = preprocess(tf.constant([encode(pixels)]), FRAME).numpy()
    assert resized[:, :15].max() == 0
    assert resized[:, 17:].min() == 255


def test_resizing_is_antialiased():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    [resized] = preprocess(tf.constant([encode(stripes)]), FRAME).numpy()
    assert np.abs(resized.astype(int) - 127).max() <= 12


def test_one_damaged_image_fails_the_batch_and_nothing_else():
    good = encode(draw(1))
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocess(tf.constant([good, good[:40]]), HEAD)
    assert preprocess(tf.constant([good]), HEAD).shape == (1, 32, 32, 3)


def test_decode_of_an_empty_string_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(b""))
