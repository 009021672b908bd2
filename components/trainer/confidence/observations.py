"""What calibration and the foreign-image score are fitted on: the network's view of each image.

All of it follows from the output of VGG16's fourth block, so that whoever has cached that output
needs no pass through the layers before it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.errors import PipelineError
from components.trainer.layers import FEATURE_LAYER, LOGITS_LAYER


@dataclass(frozen=True, eq=False)
class Observations:
    """What the network makes of the images of one split.

    Attributes:
        logits: float32 [images, classes], before the softmax.
        features: float32 [images, width], see `observer`.
        labels: int64 [images], class indices.
        groups: [images]: images of one group show the same picture or patient. None if it is not
            known, which counts each image as a group of its own.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        """Refuses what nothing can be fitted on.

        Raises:
            PipelineError: The network's numbers are not finite.
        """
        finite = np.isfinite(self.logits).all(axis=1) & np.isfinite(self.features).all(axis=1)
        if not finite.all():
            raise PipelineError(
                "The network's output is not a number for "
                f"{int((~finite).sum())} of {len(self.labels)} images: "
                "training diverged. Lower train.learning_rate."
            )


def observer(model: keras.Model, at: str | None = None) -> keras.Model:
    """A model that gives what is observed of an image; it shares the classifier's weights.

    Args:
        model: The classifier, with the layer names of VGG16.
        at: Name of the layer, at or before `FEATURE_LAYER`, whose output the observer takes; the
            classifier's own input if None.

    Returns:
        A model to a dict of `logits`, float32 [batch, classes], and `features`, float32
        [batch, width].
    """
    start = model.input if at is None else model.get_layer(at).output
    outputs = {"logits": logits_of(model), "features": features_of(model)}
    return keras.Model(start, outputs, name="observer")


def logits_of(model: keras.Model) -> Any:
    """The classifier's symbolic logits, float32 [batch, classes]: its last layer before softmax."""
    dense = model.get_layer(LOGITS_LAYER)
    inputs = keras.ops.cast(dense.input, "float32")
    return keras.ops.add(keras.ops.matmul(inputs, dense.kernel), dense.bias)


def features_of(model: keras.Model) -> Any:
    """The symbolic features that tell foreign images, float32 [batch, width]."""
    maps = keras.ops.cast(model.get_layer(FEATURE_LAYER).output, "float32")
    return keras.ops.mean(maps, axis=(1, 2))


def observe(
    model: keras.Model,
    batches: Iterable[tuple[Any, Any]],
    at: str | None = None,
) -> Observations:
    """Collects what the network makes of images.

    Args:
        model: The classifier, with the layer names of VGG16.
        batches: Outputs of the layer `at`, or pixels if None, [batch, ...] of any floating type,
            and class indices, [batch].
        at: As for `observer`.

    Returns:
        The observations, in the order of the batches.

    Raises:
        PipelineError: The network's numbers are not finite.
    """
    network = observer(model, at)

    @tf.function(reduce_retracing=True, autograph=False)
    def run(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        observed: dict[str, tf.Tensor] = network(tf.cast(inputs, tf.float32), training=False)
        return observed

    logits, features, labels = [], [], []
    for inputs, classes in batches:
        observed = run(tf.convert_to_tensor(inputs))
        logits.append(observed["logits"].numpy())
        features.append(observed["features"].numpy())
        labels.append(np.asarray(classes, np.int64))
    return Observations(np.concatenate(logits), np.concatenate(features), np.concatenate(labels))
