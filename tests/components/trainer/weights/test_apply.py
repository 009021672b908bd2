"""Weights in a network of Keras: set by its layers' names, and read from what Keras saves of it."""

from pathlib import Path

import keras
import numpy as np
import pytest
from toy_weights import WIDTHS, Published, assert_same, make_tensors

from components.trainer.config import ModelConfig
from components.trainer.model import build_model
from components.trainer.weights.files import Tensors, load_weights

pytestmark = pytest.mark.long

TOY = ModelConfig(weights="random", widths=WIDTHS, dense_units=7)


def _build(weights: Tensors) -> keras.Model:
    return build_model(TOY, image_size=32, class_count=4, weights=weights)


def _bgr(name: str, values: np.ndarray) -> np.ndarray:
    return values[:, :, ::-1] if name == "block1_conv1/kernel" else values


def test_every_convolution_gets_its_own_and_the_first_takes_rgb():
    tensors = make_tensors()
    model = _build(tensors)
    for layer in dict.fromkeys(name.partition("/")[0] for name in tensors):
        kernel, bias = model.get_layer(layer).get_weights()
        name = f"{layer}/kernel"
        np.testing.assert_array_equal(kernel, _bgr(name, tensors[name]))
        np.testing.assert_array_equal(bias, tensors[f"{layer}/bias"])


@pytest.mark.parametrize("name", ["model.weights.h5", "model.h5"])
def test_what_this_keras_saves_can_be_read(name: str, published: Published, tmp_path: Path):
    model = _build(published.tensors)
    if name == "model.h5":
        model.save(tmp_path / name)
    else:
        model.save_weights(tmp_path / name)
    saved = {name: _bgr(name, values) for name, values in published.tensors.items()}
    assert_same(load_weights(tmp_path / name, published.spec), saved)
