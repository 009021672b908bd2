"""Weights in a model of Keras: set by its layers' names, and read from what Keras saves of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_weights import WIDTHS, Published, assert_same, make_tensors

from components.trainer.weights.vgg16 import WeightsError, apply_weights, load_weights


def make_model(widths: tuple[int, ...] = WIDTHS, *, nested: bool = False, layers: int = 13) -> Any:
    import keras

    image = hidden = keras.Input((32, 32, 3))
    depths = (2, 2, 3, 3, 3)
    count = 0
    for block, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for conv in range(1, depth + 1):
            count += 1
            if count <= layers:
                name = f"block{block}_conv{conv}"
                hidden = keras.layers.Conv2D(width, 3, padding="same", name=name)(hidden)
    base = keras.Model(image, hidden, name="vgg16")
    if not nested:
        return base
    outer = keras.Input((32, 32, 3))
    return keras.Model(outer, keras.layers.Dense(4, name="dense")(base(outer)), name="classifier")


@pytest.mark.parametrize("nested", [False, True])
def test_apply_sets_every_convolution_and_nothing_else(nested: bool) -> None:
    model, tensors = make_model(nested=nested), make_tensors()
    dense = model.get_layer("dense").get_weights() if nested else []
    apply_weights(model, tensors)
    base = model.get_layer("vgg16") if nested else model
    for layer in dict.fromkeys(name.partition("/")[0] for name in tensors):
        kernel, bias = base.get_layer(layer).get_weights()
        np.testing.assert_array_equal(kernel, tensors[f"{layer}/kernel"])
        np.testing.assert_array_equal(bias, tensors[f"{layer}/bias"])
    for before, after in zip(
        dense, model.get_layer("dense").get_weights() if nested else [], strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_apply_refuses_another_shape_and_sets_nothing() -> None:
    model = make_model(widths=(2, 3, 4, 5, 6))
    before = model.get_weights()
    with pytest.raises(WeightsError, match=r"Layer block5_conv1 .*\(3, 3, 5, 6\).*\(3, 3, 5, 5\)"):
        apply_weights(model, make_tensors())
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_apply_refuses_a_model_without_the_layer() -> None:
    with pytest.raises(WeightsError, match="has no layer block5_conv3"):
        apply_weights(make_model(layers=12), make_tensors())


@pytest.mark.parametrize("name", ["model.weights.h5", "model.h5"])
def test_what_this_keras_saves_can_be_read(name: str, published: Published, tmp_path: Path) -> None:
    model = make_model(nested=name == "model.h5")
    apply_weights(model, published.tensors)
    if name == "model.h5":
        model.save(tmp_path / name)
    else:
        model.save_weights(tmp_path / name)
    assert_same(load_weights(tmp_path / name, published.spec), published.tensors)
