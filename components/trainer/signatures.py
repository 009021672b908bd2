"""The SavedModel's signatures: from the bytes of image files to probabilities.

Preprocessing is inside the graph, so a client sends a file and nothing else.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from components.transform.config import TransformConfig
from components.transform.preprocessing import ENCODED, preprocess

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
"""How the files start that the graph can decode: JPEG, PNG, GIF, BMP."""


class ServingModule(tf.Module):
    """The trained model behind the signatures that TensorFlow Serving offers."""

    def __init__(
        self, model: keras.Model, transform: TransformConfig, classes: Sequence[str]
    ) -> None:
        """Wraps a trained model.

        Args:
            model: From RGB pixels in 0..255 to probabilities.
            transform: The preprocessing that it was trained with.
            classes: Class names in the order of the probabilities.
        """
        super().__init__()
        self.model = model
        self.classes = tf.constant(list(classes), name="classes")
        self._transform = transform

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies the bytes of image files, string [batch]."""
        probabilities = self._probabilities(image_bytes)
        return {
            "probabilities": probabilities,
            "classes": self._class_rows(probabilities),
            "label": tf.gather(self.classes, tf.argmax(probabilities, axis=1)),
            "confidence": tf.reduce_max(probabilities, axis=1),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """TensorFlow Serving's Classify: serialised tf.Examples with `image/encoded`."""
        scores = self._probabilities(_encoded_images(inputs))
        return {"classes": self._class_rows(scores), "scores": scores}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """What TFMA calls: serialised tf.Examples as ingest writes them."""
        return {"probabilities": self._probabilities(_encoded_images(examples))}

    def _probabilities(self, image_bytes: tf.Tensor) -> tf.Tensor:
        unknown = tf.where(~_starts_like_an_image(image_bytes))[:, 0]
        readable = tf.debugging.Assert(
            tf.size(unknown) == 0,
            ["These images of the request are neither JPEG, PNG, GIF nor BMP, by index:", unknown],
        )
        # oneDNN's convolutions fail on an empty batch with words that help nobody.
        filled = tf.debugging.Assert(tf.size(image_bytes) > 0, ["The request holds no image."])
        with tf.control_dependencies([readable, filled]):
            pixels = preprocess(image_bytes, self._transform)
        return self.model(tf.cast(pixels, tf.float32), training=False)

    def _class_rows(self, probabilities: tf.Tensor) -> tf.Tensor:
        return tf.tile(self.classes[tf.newaxis, :], [tf.shape(probabilities)[0], 1])


def _starts_like_an_image(image_bytes: tf.Tensor) -> tf.Tensor:
    starts = [tf.strings.substr(image_bytes, 0, len(magic)) == magic for magic in _MAGIC]
    return tf.reduce_any(tf.stack(starts), axis=0)


def _encoded_images(examples: tf.Tensor) -> tf.Tensor:
    return tf.io.parse_example(examples, {ENCODED: tf.io.FixedLenFeature([], tf.string)})[ENCODED]


def export_saved_model(module: ServingModule, path: Path) -> None:
    """Writes the SavedModel with its three signatures.

    Args:
        module: The trained model.
        path: The SavedModel's folder.
    """
    signatures = {
        "serving_default": module.serving_default,
        "classify": module.classify,
        "evaluate": module.evaluate,
    }
    tf.saved_model.save(module, str(path), signatures=signatures)
