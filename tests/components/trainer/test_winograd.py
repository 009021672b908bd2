"""The layer gives what Keras's own convolution gives, forwards and backwards."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.config import ModelConfig
from components.trainer.model import build_model
from components.trainer.split_model import copy_model, split_model
from components.trainer.winograd import WinogradConv2D, is_faster

pytestmark = pytest.mark.long
CLOSE = 2e-5
"""As a share of the largest value."""


def _both(shape: tuple[int, ...], filters: int, **settings):
    direct = keras.layers.Conv2D(filters, 3, padding="same", **settings)
    ours = WinogradConv2D.from_config(direct.get_config())
    for layer in (direct, ours):
        layer.build((None, *shape[1:]))
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=weight.shape) for weight in direct.get_weights()]
    for layer in (direct, ours):
        layer.set_weights(weights)
    return direct, ours, tf.constant(generator.normal(size=shape), tf.float32)


def _gradients(layer: keras.layers.Layer, inputs: tf.Tensor) -> list[np.ndarray]:
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(layer(inputs) ** 2)
    return [one.numpy() for one in tape.gradient(loss, [inputs, *layer.trainable_weights])]


def _is_close(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, atol=CLOSE * abs(wanted).max())


@pytest.mark.parametrize(
    "shape", [(2, 8, 8, 5), (3, 6, 7, 4), (1, 1, 1, 3), (2, 3, 13, 2)], ids=str
)
@pytest.mark.parametrize("settings", [{}, {"activation": "relu"}, {"use_bias": False}], ids=str)
def test_outputs_and_gradients_are_those_of_the_direct_convolution(shape, settings):
    direct, ours, inputs = _both(shape, 6, **settings)
    _is_close(ours(inputs).numpy(), direct(inputs).numpy())
    for found, wanted in zip(_gradients(ours, inputs), _gradients(direct, inputs), strict=True):
        _is_close(found, wanted)


def test_wide_convolutions_in_float32_alone_are_replaced():
    layers = {}
    for wide in ((256, 512), (512, 512), (256, 256), (128, 512)):
        layers[wide] = keras.layers.Conv2D(wide[1], 3, padding="same")
        layers[wide].build((None, 8, 8, wide[0]))
    assert [is_faster(layer, "float32") for layer in layers.values()] == [True, True, False, False]
    assert not is_faster(layers[512, 512], "mixed_bfloat16")
    for unlike in ({"kernel_size": 1}, {"strides": 2}, {"padding": "valid"}):
        layer = keras.layers.Conv2D(512, **{"kernel_size": 3, "padding": "same", **unlike})
        layer.build((None, 8, 8, 512))
        assert not is_faster(layer, "float32")


def test_what_trains_convolves_so_and_what_is_exported_is_of_stock_layers():
    model = build_model(ModelConfig(weights="random"), image_size=32, class_count=2, weights=None)
    parts = split_model(model, "float32")
    fast = {
        layer.name
        for part in (parts.prefix, parts.tail)
        for layer in part.layers
        if isinstance(layer, WinogradConv2D)
    }
    assert fast == {f"block{block}_conv{number}" for block in (4, 5) for number in (1, 2, 3)}
    pixels = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype("float32")
    found = parts.tail(parts.prefix(pixels)).numpy()
    np.testing.assert_allclose(found, model(pixels).numpy(), atol=1e-4)
    assert not any(
        isinstance(layer, WinogradConv2D) for layer in copy_model(model, "float32").layers
    )
