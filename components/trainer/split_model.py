"""Splits the network where training begins: a frozen prefix, computed once, and a tail."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from components.trainer.layers import LOGITS_LAYER, SCALING_LAYER
from components.trainer.winograd import WinogradConv2D, is_faster


@dataclass(frozen=True)
class SplitModel:
    """The two parts of a network, copies of its layers under a dtype policy.

    Attributes:
        prefix: From pixels to the last activations that training does not change; None where all
            convolutions train.
        tail: From there to probabilities.
        cut: Name of the prefix's last layer, empty without one.
        precision: The policy's name.
    """

    prefix: keras.Model | None
    tail: keras.Model
    cut: str
    precision: str


def split_model(model: keras.Model, policy: str) -> SplitModel:
    """Splits a chain of layers before the first one that trains.

    Scaling and the softmax stay in float32 under any policy: pixels and probabilities need it.
    Convolutions that are faster as a `WinogradConv2D` become one.

    Args:
        model: As `build_model` makes it.
        policy: Name of the Keras dtype policy that the copies compute in.

    Returns:
        The parts. Their weights are copies: see `take_weights`.
    """
    layers = model.layers[1:]  # without the input
    first = next(i for i, layer in enumerate(layers) if layer.trainable and layer.weights)
    # Dropout draws anew every time, so it is no part of what is computed once.
    while isinstance(layers[first - 1], keras.layers.Dropout | keras.layers.Flatten):
        first -= 1
    if layers[first - 1].name == SCALING_LAYER:
        return SplitModel(None, _copy(layers, model.input_shape[1:], policy, "tail"), "", policy)
    cut = layers[first - 1]
    return SplitModel(
        prefix=_copy(layers[:first], model.input_shape[1:], policy, "prefix"),
        tail=_copy(layers[first:], cut.output.shape[1:], policy, "tail"),
        cut=cut.name,
        precision=policy,
    )


def copy_model(model: keras.Model, policy: str) -> keras.Model:
    """Copies a chain of layers, to compute under a dtype policy; they stay of stock kinds.

    Args:
        model: As `build_model` makes it.
        policy: Name of the Keras dtype policy.

    Returns:
        The copy, of the same layer names and float32 weights.
    """
    return _copy(model.layers[1:], model.input_shape[1:], policy, model.name, trains=False)


def take_weights(model: keras.Model, part: keras.Model) -> None:
    """Gives the network the weights of one of its parts.

    Args:
        model: The network.
        part: A part that `split_model` made of it.
    """
    for layer in part.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())


def _copy(
    layers: Sequence[keras.layers.Layer],
    input_shape: Sequence[int],
    policy: str,
    name: str,
    *,
    trains: bool = True,
) -> keras.Model:
    inputs = keras.Input(tuple(input_shape), name=f"{name}_input")
    hidden = inputs
    copies = []
    for layer in layers:
        exact = layer.name in (SCALING_LAYER, LOGITS_LAYER)
        config = {**layer.get_config(), "dtype": "float32" if exact else policy}
        kind = WinogradConv2D if trains and is_faster(layer, policy) else type(layer)
        copy = kind.from_config(config)
        hidden = copy(hidden)
        copies.append(copy)
    for layer, copy in zip(layers, copies, strict=True):
        copy.set_weights(layer.get_weights())
        copy.trainable = layer.trainable
    return keras.Model(inputs, hidden, name=name)
