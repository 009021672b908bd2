"""Classifies images with an exported model, in this process; needs TensorFlow alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.errors import PipelineError, UsageError
from components.plain_path import plain_path
from mri.classified import Classified
from serving.client import EncodedImage

_SIGNATURE = "serving_default"
"""What images are classified by."""


def load_saved_model(path: Path) -> Any:
    """Loads a SavedModel that classifies images.

    Args:
        path: Its folder.

    Returns:
        What TensorFlow makes of it.

    Raises:
        PipelineError: It cannot be loaded, or is another kind of model.
    """
    try:
        with plain_path(path) as plain:
            model = tf.saved_model.load(str(plain))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise PipelineError(
            f"The SavedModel in {path} cannot be loaded: {error} Name another with --model, or "
            "train it again with `mri run`."
        ) from error
    if _SIGNATURE not in model.signatures:
        raise UsageError(
            f"The SavedModel in {path} has no signature {_SIGNATURE}: name one that `mri run` has "
            "made."
        )
    return model


def classify(model: Any, images: Sequence[bytes]) -> dict[str, Any]:
    """Asks a loaded model.

    Args:
        model: What `load_saved_model` gave.
        images: Encoded images.

    Returns:
        The signature's outputs by their names, as NumPy arrays with a row an image.
    """
    outputs = model.signatures[_SIGNATURE](image_bytes=tf.constant(list(images)))
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def classify_image(model: Any, path: str, image: EncodedImage) -> Classified:
    """Classifies one image; that the model refuses it becomes the answer's error.

    Args:
        model: What `load_saved_model` gave.
        path: Where it is from.
        image: The image.

    Returns:
        The answer.
    """
    try:
        outputs = classify(model, [image.content])
    except tf.errors.InvalidArgumentError:  # of a model of before, that takes fewer files
        return Classified(path, image.frame, image.frames, error="the model cannot decode it")
    return Classified.of(path, outputs, frame=image.frame, frames=image.frames)
