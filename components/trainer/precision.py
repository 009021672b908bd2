"""Which number format the layers compute in: what this machine is fastest in."""

import functools
import time

import keras
import tensorflow as tf

_FASTER = 1.3
"""How many times faster bfloat16 must be measured to be chosen: processors with instructions for
it reach two, those without are slower in it."""
_REPEATS = 3


def resolve_precision(choice: str) -> str:
    """Turns `auto` into a policy.

    Args:
        choice: `auto` or the name of a Keras dtype policy.

    Returns:
        The name of a Keras dtype policy.
    """
    return _fastest() if choice == "auto" else choice


@functools.cache
def _fastest() -> str:
    if tf.config.list_physical_devices("GPU"):
        return "mixed_float16"
    return (
        "mixed_bfloat16"
        if _seconds("float32") > _FASTER * _seconds("mixed_bfloat16")
        else "float32"
    )


def _seconds(policy: str) -> float:
    """The least time of a training step of a convolution as VGG16 has them.

    Some processors run a convolution in bfloat16 as fast as in float32, and its gradients ten times
    slower.
    """
    layer = keras.layers.Conv2D(256, 3, padding="same", dtype=policy)
    pixels = tf.ones((4, 16, 16, 256))
    layer.build(pixels.shape)

    @tf.function
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            loss = tf.reduce_sum(tf.cast(layer(pixels), tf.float32) ** 2)
        gradients: list[tf.Tensor] = tape.gradient(loss, [pixels, *layer.trainable_weights])
        return gradients

    step()
    least = float("inf")
    for _ in range(_REPEATS):
        started = time.perf_counter()
        for gradient in step():
            gradient.numpy()
        least = min(least, time.perf_counter() - started)
    return least
