"""VGG16 with a dense head, made of stock Keras layers only."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from components.errors import UsageError
from components.trainer.config import ModelConfig
from components.trainer.layers import LOGITS_LAYER, SCALING_LAYER, VGG16

_RGB_MEAN = (123.68, 116.779, 103.939)
"""ImageNet's mean colour, which VGG16's published weights want subtracted."""


def build_model(
    config: ModelConfig,
    *,
    image_size: int,
    class_count: int,
    weights: Mapping[str, np.ndarray[Any, np.dtype[np.float32]]] | None,
) -> keras.Model:
    """Builds the classifier.

    Args:
        config: Widths, head and how many convolutions train.
        image_size: Height and width of the input in pixels.
        class_count: Number of classes.
        weights: VGG16's convolution kernels and biases by name, or None for random ones.

    Returns:
        A model from RGB pixels, float [batch, image_size, image_size, 3] in 0..255, to
        probabilities, float32 [batch, class_count].

    Raises:
        WeightsError: The weights do not fit the layers.
    """
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    hidden = _scaling(config)(pixels)
    for block, convolutions in VGG16(config.widths).blocks.items():
        for name, (*_, width) in convolutions.items():
            hidden = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=name)(
                hidden
            )
        hidden = keras.layers.MaxPooling2D(2, name=f"{block}_pool")(hidden)
    hidden = keras.layers.Flatten(name="flatten")(hidden)
    hidden = keras.layers.Dropout(config.flatten_dropout, name="flatten_dropout")(hidden)
    hidden = keras.layers.Dense(config.dense_units, activation="relu", name="dense")(hidden)
    hidden = keras.layers.Dropout(config.dense_dropout, name="dense_dropout")(hidden)
    probabilities = keras.layers.Dense(
        class_count, activation="softmax", dtype="float32", name=LOGITS_LAYER
    )(hidden)
    model = keras.Model(pixels, probabilities, name="vgg16_classifier")
    if weights is not None:
        _apply_weights(model, weights)
    _freeze(model, config.trainable_convolutions)
    return model


def _scaling(config: ModelConfig) -> keras.layers.Layer:
    if config.input_scaling == "unit":
        return keras.layers.Rescaling(1 / 255, name=SCALING_LAYER)
    return keras.layers.Normalization(mean=_RGB_MEAN, variance=[1.0] * 3, name=SCALING_LAYER)


def _apply_weights(
    model: keras.Model, weights: Mapping[str, np.ndarray[Any, np.dtype[np.float32]]]
) -> None:
    """Sets the convolutions; the published first kernel takes BGR, and our pixels are RGB."""
    for name in dict.fromkeys(name.rpartition("/")[0] for name in weights):
        layer, values = model.get_layer(name), [weights[f"{name}/kernel"], weights[f"{name}/bias"]]
        found, given = ([tuple(one.shape) for one in each] for each in (layer.weights, values))
        if found != given:
            raise UsageError(
                f"Layer {name} has weights of shapes {found}, but those given are {given}: leave "
                "model.widths as they are, or use model.weights=random."
            )
        layer.set_weights(values)
    first = model.get_layer("block1_conv1")
    kernel, bias = first.get_weights()
    first.set_weights([kernel[:, :, ::-1, :], bias])


def _freeze(model: keras.Model, trainable_convolutions: int) -> None:
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer in convolutions[: len(convolutions) - trainable_convolutions]:
        layer.trainable = False
