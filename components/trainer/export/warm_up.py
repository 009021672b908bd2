"""Requests that a model server runs before it offers the model, so that no client waits for it."""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from components.servable import MODEL_NAME, WARM_UP_FILE

_SIGNATURES = ("serving_default", "explain")
_LEVEL = 128


def write_warm_up(folder: Path, image_size: int) -> None:
    """Writes a request of one grey picture for each signature that clients ask.

    The first request of a signature is slow: TensorFlow plans its graph and oneDNN picks kernels.

    Args:
        folder: The SavedModel's `assets.extra`.
        image_size: Height and width of the picture in pixels.
    """
    picture = tf.fill([image_size, image_size, 3], tf.constant(_LEVEL, tf.uint8))
    image_bytes = tf.io.encode_png(picture)[tf.newaxis]
    with tf.io.TFRecordWriter(str(folder / WARM_UP_FILE)) as writer:
        for signature in _SIGNATURES:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = MODEL_NAME
            request.model_spec.signature_name = signature
            request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(image_bytes))
            writer.write(log.SerializeToString())
