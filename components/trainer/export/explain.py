"""Where the network looked: a heatmap over the image, computed in the graph that is served.

Grad-CAM (Selvaraju and others, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", 2017), not on the last convolution but on the last of the fourth block. The fifth
block is trained, and moves what it finds by up to three of its cells before the dense head reads
it, so that a map of its output points beside the lesion; docs/confidence.md has the figures.
"""

from dataclasses import dataclass

import keras
import tensorflow as tf

from components.trainer.confidence.observations import features_of, logits_of
from components.trainer.layers import EXPLAINED_LAYER

_OPACITY = 0.6
"""Share of the colour where heat is greatest."""


class Explainer:
    """A classifier's logits, features and heatmaps, in one forward and a short backward pass.

    Example:
        heat = Explainer(model)(pixels).heat
    """

    def __init__(self, model: keras.Model) -> None:
        """Cuts the classifier after the explained layer; the weights stay shared.

        Args:
            model: From RGB pixels in 0..255 to probabilities, with the layer names of VGG16.
        """
        maps = model.get_layer(EXPLAINED_LAYER).output
        self._trunk = keras.Model(model.input, maps)
        self._head = keras.Model(maps, {"logits": logits_of(model), "features": features_of(model)})

    def __call__(self, pixels: tf.Tensor) -> "BatchExplanation":
        """Explains the likeliest class of each image.

        Args:
            pixels: float32 [batch, side, side, 3], RGB in 0..255.

        Returns:
            The explanation.
        """
        maps = self._trunk(pixels, training=False)
        with tf.GradientTape() as tape:
            tape.watch(maps)
            observed = self._head(maps, training=False)
            evidence = _evidence(observed["logits"])
        gradient = tf.cast(tape.gradient(evidence, maps), tf.float32)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        coarse = tf.reduce_sum(tf.cast(maps, tf.float32) * weights, axis=3)
        return BatchExplanation(**observed, heat=_heat(coarse, tf.shape(pixels)[1:3]))


@dataclass(frozen=True, eq=False)
class BatchExplanation:
    """What an explainer says of a batch.

    Attributes:
        logits: float32 [batch, classes].
        features: float32 [batch, width], see `components.trainer.confidence.observations`.
        heat: float32 [batch, side, side] in [0, 1], greatest where most speaks for the class; zero
            everywhere if nothing does.
    """

    logits: tf.Tensor
    features: tf.Tensor
    heat: tf.Tensor


def _evidence(logits: tf.Tensor) -> tf.Tensor:
    """The likeliest class's log-odds against all others, float32 [batch]."""
    likeliest = tf.one_hot(
        tf.argmax(logits, axis=1), tf.shape(logits)[1], on_value=True, off_value=False
    )
    others = tf.where(likeliest, logits.dtype.min, logits)
    return tf.reduce_max(logits, axis=1) - tf.reduce_logsumexp(others, axis=1)


def _heat(coarse: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Positive evidence [batch, rows, columns], enlarged to size and scaled to a greatest of 1."""
    positive = tf.image.resize(tf.nn.relu(coarse)[..., tf.newaxis], size, method="bilinear")
    return tf.math.divide_no_nan(positive, tf.reduce_max(positive, axis=(1, 2, 3), keepdims=True))[
        ..., 0
    ]


def overlay(pixels: tf.Tensor, heat: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
    """Paints heat over the heads in images, red to yellow, and encodes them.

    Args:
        pixels: uint8 [batch, side, side, 3].
        heat: float32 [batch, side, side] in [0, 1].
        head: bool [batch, side, side]; where it is not, an image stays as it is.

    Returns:
        string [batch], PNG files.
    """
    colour = 255.0 * tf.stack([tf.ones_like(heat), heat, tf.zeros_like(heat)], axis=-1)
    share = _OPACITY * (heat * tf.cast(head, tf.float32))[..., tf.newaxis]
    painted = tf.cast(pixels, tf.float32) * (1.0 - share) + colour * share
    return tf.map_fn(
        tf.io.encode_png, tf.cast(tf.round(painted), tf.uint8), fn_output_signature=tf.string
    )
