"""Which number format the layers compute in: what this machine is fastest in."""

import functools
import time
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from components.trainer.layers import VGG16

_FASTER = 1.15
"""How many times faster bfloat16 must be measured to be chosen: processors with instructions for
it come near two, those without are slower in it."""
_REPEATS = 8
_CPU_POLICIES = ("float32", "mixed_bfloat16")
_PROCESSOR = Path("/proc/cpuinfo")
"""Where Linux names the instructions that the processor has."""


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
    if _PROCESSOR.exists() and "bf16" not in _PROCESSOR.read_text():
        return "float32"  # without a measurement, which would take seconds there
    seconds = _seconds(*_CPU_POLICIES)
    return (
        "mixed_bfloat16" if seconds["float32"] > _FASTER * seconds["mixed_bfloat16"] else "float32"
    )


def _seconds(*policies: str) -> dict[str, float]:
    """The least time of a training step of a convolution as VGG16 has them, by policy.

    The policies take turns, so that a machine that is busy is so for all of them. Some processors
    run a convolution in bfloat16 as fast as in float32, and its gradients ten times slower.
    """
    steps = {policy: _step(policy) for policy in policies}
    least = dict.fromkeys(policies, float("inf"))
    for _ in range(_REPEATS):
        for policy, step in steps.items():
            started = time.perf_counter()
            step()
            least[policy] = min(least[policy], time.perf_counter() - started)
    return least


def _step(policy: str) -> Callable[[], None]:
    width = VGG16.widths[2]
    layer = keras.layers.Conv2D(width, 3, padding="same", dtype=policy)
    pixels = tf.ones((4, 16, 16, width))
    layer.build(pixels.shape)

    @tf.function(autograph=False)
    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            loss = tf.reduce_sum(tf.cast(layer(pixels), tf.float32) ** 2)
        found: list[tf.Tensor] = tape.gradient(loss, [pixels, *layer.trainable_weights])
        return found

    def step() -> None:
        for gradient in gradients():
            gradient.numpy()

    step()  # the first one builds the graph
    return step
