"""Where training runs: one device, or all GPUs of this machine."""

import contextlib
from typing import Any

import tensorflow as tf


def strategy_scope(name: str) -> contextlib.AbstractContextManager[Any]:
    """The scope in which what trains has to be built.

    Args:
        name: `none`, or `mirrored`: every device holds the weights and takes a part of each batch.
            Where there is no GPU, the processor's logical devices share the work.

    Returns:
        A context manager.
    """
    if name == "none":
        return contextlib.nullcontext()
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    scope: contextlib.AbstractContextManager[Any] = tf.distribute.MirroredStrategy(devices).scope()
    return scope
