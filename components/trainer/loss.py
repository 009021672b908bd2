"""The loss, and the accuracy, of images for which more than one class may be right.

Labels are float32 [batch, images, classes]: for each of the images that were mixed into one, its
share where a class is right for it, and 0 elsewhere.
"""

import keras
import numpy as np
import tensorflow as tf

_LEAST = float(np.finfo(np.float32).tiny)


class AllowedClassesLoss(keras.losses.Loss):
    """Minus the logarithm of the probability that is given to the right classes together.

    Of one right class this is the cross-entropy. Images that are mixed count by their shares.
    Smoothing takes its share of the loss for the cross-entropy with all classes alike.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        """Chooses the smoothing.

        Args:
            label_smoothing: Share of a label's weight that is spread over all classes.
        """
        super().__init__(name="loss")
        self._smoothing = label_smoothing

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Computes it.

        Args:
            y_true: float32 [batch, images, classes].
            y_pred: Probabilities, float32 [batch, classes].

        Returns:
            float32 [batch].
        """
        # Its gradient is that of the cross-entropy with the right classes in the proportion in
        # which they are seen now (as in expectation-maximisation), and its value is less by the
        # entropy of that proportion. Keras' cross-entropy goes by the logits, which lose nothing.
        seen = tf.maximum(tf.stop_gradient(y_pred), _LEAST)[:, tf.newaxis]
        share = tf.reduce_max(y_true, axis=2, keepdims=True)
        right = tf.where(y_true > 0, seen, 0.0)
        proportion = right / tf.maximum(tf.reduce_sum(right, axis=2, keepdims=True), _LEAST)
        entropy = -tf.reduce_sum(share * tf.math.xlogy(proportion, proportion), axis=[1, 2])
        crossed = keras.losses.categorical_crossentropy(
            tf.reduce_sum(share * proportion, axis=1),
            y_pred,
            label_smoothing=self._smoothing,
        )
        return crossed - (1 - self._smoothing) * entropy


class AllowedClassesAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of images whose likeliest class is right; of mixed ones the larger share decides."""

    def __init__(self) -> None:
        super().__init__(_is_right, name="accuracy")


def _is_right(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    found = tf.argmax(y_pred, axis=1)
    return tf.cast(tf.gather(y_true[:, 0], found, axis=1, batch_dims=1) > 0, tf.float32)
