"""The SavedModel's signatures: from the bytes of image files to probabilities and their reasons.

Preprocessing, calibration and the doubts about an image are inside the graph, so a client sends a
file and nothing else.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.reasons import FOREIGN, FOREIGN_LIMIT, UNSURE
from components.trainer.confidence.doubts import write_reasons
from components.trainer.confidence.fit import Confidence
from components.trainer.confidence.observations import observer
from components.trainer.export.explain import Explainer, overlay
from components.transform.config import TransformConfig
from components.transform.measures import MEASURES
from components.transform.preprocessing import ENCODED, Framed, preprocess_and_measure

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")
"""How the files start that the graph can decode: JPEG, PNG, BMP."""

_EVALUATED = (
    *("probabilities", "in_distribution", "ood_score", "refer", "reasons", "uncalibrated"),
    *("prediction_set", "set_level"),
    *MEASURES,
)


def _serving(argument: str) -> Callable[..., Any]:
    """Traces a method of one argument, string [batch]."""
    spec = tf.TensorSpec([None], tf.string, name=argument)
    traced: Callable[..., Any] = tf.function(input_signature=[spec], autograph=False)
    return traced


class ServingModule(tf.Module):
    """The trained model behind the signatures that TensorFlow Serving offers."""

    def __init__(
        self,
        model: keras.Model,
        transform: TransformConfig,
        classes: Sequence[str],
        confidence: Confidence,
    ) -> None:
        """Wraps a trained model.

        Args:
            model: From RGB pixels in 0..255 to probabilities.
            transform: The preprocessing that it was trained with.
            classes: Class names in the order of the probabilities.
            confidence: What was fitted on the observations of this very model.
        """
        super().__init__()
        # The values of Keras' variables, and nothing of Keras: saved with a Keras model, the graph
        # would hold each variable twice, and TensorFlow Serving would fill the one not used.
        self._weights = [variable.value for variable in model.variables]
        self.classes = tf.constant(list(classes), name="classes")
        self._transform = transform
        self._confidence = confidence
        self._observer = partial(observer(model), training=False)  # no model, so not tracked
        self._explainer = Explainer(model)

    @_serving("image_bytes")
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies the bytes of image files, string [batch]."""
        answer = self._classify(image_bytes)
        return {name: answer[name] for name in answer if name != "uncalibrated"}

    @_serving("image_bytes")
    def explain(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies the bytes of image files, string [batch], and shows where the network looked.

        `heatmap` lies over the part of the image that `crop_box` names: top, left, bottom and right
        as shares of its height and width.
        """
        framed = self._read(image_bytes)
        explanation = self._explainer(tf.cast(framed.pixels, tf.float32))
        return {
            **self._answer(explanation.logits, explanation.features, framed.measures),
            "heatmap": explanation.heat,
            "crop_box": framed.box,
            "overlay_bytes": overlay(framed.pixels, explanation.heat, framed.head),
        }

    @_serving("inputs")
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """TensorFlow Serving's Classify: serialised tf.Examples with `image/encoded`."""
        answer = self._classify(_encoded_images(inputs))
        return {"classes": answer["classes"], "scores": answer["probabilities"]}

    @_serving("examples")
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """What TFMA calls: serialised tf.Examples as ingest writes them.

        `uncalibrated` is the network's own softmax. `reasons` is string [batch, 1], as TFX's
        BulkInferrer takes rows of strings alone.
        """
        answer = self._classify(_encoded_images(examples))
        reasons = answer["reasons"][:, tf.newaxis]
        return {name: answer[name] for name in _EVALUATED} | {"reasons": reasons}

    # What several signatures need is a function of its own, which the graph holds once.
    @_serving("image_bytes")
    def _classify(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        framed = self._read(image_bytes)
        observed = self._observer(tf.cast(framed.pixels, tf.float32))
        uncalibrated = tf.nn.softmax(observed["logits"])
        return {**self._answer(**observed, measures=framed.measures), "uncalibrated": uncalibrated}

    def _answer(
        self, logits: tf.Tensor, features: tf.Tensor, measures: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        probabilities = self._confidence.calibration(logits)
        confidence = tf.reduce_max(probabilities, axis=1)
        foreign = self._confidence.foreign(features)
        known = foreign <= FOREIGN_LIMIT
        referred = {
            **self._confidence.limits(measures),
            UNSURE: confidence < self._confidence.refer_below,
        }
        return {
            "probabilities": probabilities,
            "classes": self._class_rows(probabilities),
            "label": tf.gather(self.classes, tf.argmax(probabilities, axis=1)),
            "confidence": confidence,
            "prediction_set": self._confidence.sets(probabilities),
            "set_level": tf.fill(tf.shape(confidence), self._confidence.sets.level),
            "in_distribution": known,
            "ood_score": foreign,
            "refer": tf.reduce_any(tf.stack(list(referred.values())), axis=0),
            "reasons": write_reasons({FOREIGN: ~known, **referred}),
            **dict(zip(MEASURES, tf.unstack(measures, axis=1), strict=True)),
        }

    @_serving("image_bytes")
    def _read(self, image_bytes: tf.Tensor) -> Framed:
        unknown = tf.where(~_starts_like_an_image(image_bytes))[:, 0]
        readable = tf.debugging.Assert(
            tf.size(unknown) == 0,
            ["These images of the request are neither JPEG, PNG nor BMP, by index:", unknown],
        )
        # oneDNN's convolutions fail on an empty batch with words that help nobody.
        filled = tf.debugging.Assert(tf.size(image_bytes) > 0, ["The request holds no image."])
        with tf.control_dependencies([readable, filled]):
            return preprocess_and_measure(image_bytes, self._transform)

    def _class_rows(self, probabilities: tf.Tensor) -> tf.Tensor:
        return tf.tile(self.classes[tf.newaxis, :], [tf.shape(probabilities)[0], 1])


def _starts_like_an_image(image_bytes: tf.Tensor) -> tf.Tensor:
    starts = [tf.strings.substr(image_bytes, 0, len(magic)) == magic for magic in _MAGIC]
    return tf.reduce_any(tf.stack(starts), axis=0)


def _encoded_images(examples: tf.Tensor) -> tf.Tensor:
    return tf.io.parse_example(examples, {ENCODED: tf.io.FixedLenFeature([], tf.string)})[ENCODED]


def export_saved_model(module: ServingModule, path: Path) -> None:
    """Writes the SavedModel with its four signatures.

    Args:
        module: The trained model.
        path: The SavedModel's folder.
    """
    signatures = {
        "serving_default": module.serving_default,
        "classify": module.classify,
        "explain": module.explain,
        "evaluate": module.evaluate,
    }
    tf.saved_model.save(module, str(path), signatures=signatures)
