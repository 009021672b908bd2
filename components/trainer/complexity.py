"""How large the network is: parameters, and floating-point operations an image."""

import math
from typing import TypedDict

import keras


class Complexity(TypedDict):
    """Counts of a network.

    Attributes:
        parameters: All weights.
        trained_parameters: Those that training changes.
        gigaflops_per_image: 10^9 multiplications and additions of one forward pass, those of
            convolutions and dense layers; the rest is nothing beside them.
    """

    parameters: int
    trained_parameters: int
    gigaflops_per_image: float


def complexity(model: keras.Model) -> Complexity:
    """Counts a network's parameters and operations.

    Args:
        model: With layers as `build_model` makes them.

    Returns:
        The counts.
    """
    return Complexity(
        parameters=model.count_params(),
        trained_parameters=sum(math.prod(weight.shape) for weight in model.trainable_weights),
        gigaflops_per_image=sum(flops(layer) for layer in model.layers) / 1e9,
    )


def flops(layer: keras.layers.Layer) -> int:
    """Operations of a layer for one image: two for each weight and place that it is applied at."""
    if not isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
        return 0
    places = math.prod(layer.output.shape[1:-1])
    return int(2 * places * math.prod(layer.kernel.shape))
