import numpy as np
import pytest
import tensorflow as tf
from drawing import draw, encode

from components.transform.config import TransformConfig
from components.transform.preprocessing import decode, head_box, preprocess

HEAD = TransformConfig(image_size=32, crop="head")
FRAME = TransformConfig(image_size=32, crop="none")


@pytest.mark.parametrize(
    ("format", "channels"), [("JPEG", 1), ("JPEG", 3), ("PNG", 1), ("PNG", 3), ("PNG", 4)]
)
def test_any_channel_count_becomes_rgb(format, channels):
    pixels = preprocess(tf.constant([encode(draw(1, channels=channels), format)]), HEAD)
    assert pixels.shape == (1, 32, 32, 3)
    assert pixels.dtype == tf.uint8


def test_head_crop_does_not_see_the_border():
    head = draw(1, (64, 64))
    framed = np.zeros((200, 300, 3), np.uint8)
    framed[90:154, 20:84] = head
    near, far = preprocess(tf.constant([encode(head), encode(framed)]), HEAD).numpy().astype(int)
    assert np.abs(near - far).max() <= 1


def test_box_is_in_shares_of_the_image():
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[20:60, 50:150] = 200
    np.testing.assert_allclose(head_box(tf.constant(pixels)), [0.2, 0.25, 0.6, 0.75], atol=1e-6)


def test_noise_in_the_background_is_not_the_head():
    random = np.random.default_rng(0)
    pixels = random.integers(0, 15, (100, 100, 1)).repeat(3, axis=2).astype(np.uint8)
    pixels[30:70, 30:70] = 220
    pixels[0, 0] = 255
    np.testing.assert_allclose(head_box(tf.constant(pixels)), [0.3, 0.3, 0.7, 0.7], atol=0.02)


@pytest.mark.parametrize("level", [0, 255])
def test_an_image_without_a_head_is_kept_whole(level):
    pixels = tf.fill([10, 20, 3], tf.constant(level, tf.uint8))
    np.testing.assert_array_equal(head_box(pixels), [0, 0, 1, 1])


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
