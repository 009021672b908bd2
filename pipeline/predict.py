"""Classifies images with an exported model, in process; needs TensorFlow alone.

Example:
    from pipeline.predict import predict

    print(predict("scan.jpg").label)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import PipelineError
from components.plain_path import plain_path
from components.push.versions import pushed_versions
from components.servable import SAVED_MODEL_FILE
from imaging.config import ONE_PICTURE
from imaging.picture import ReadFailedError, RejectedImageError
from imaging.reader import read_file
from pipeline.served import newest_version, served_model, served_models

SIGNATURE = "serving_default"
"""What images are classified by."""


@dataclass(frozen=True)
class FilePrediction:
    """What the model says of one image.

    Attributes:
        image: The file.
        label: The likeliest class; None where the image could not be read.
        confidence: Its probability.
        probabilities: Probability by class name.
        in_distribution: Whether the image looks like those that the model was trained on; None
            where the model does not say.
        refer: Whether the model is too unsure, so that a reader must decide; None likewise.
        error: Why the image could not be classified.
    """

    image: Path
    label: str | None = None
    confidence: float | None = None
    probabilities: dict[str, float] | None = None
    in_distribution: bool | None = None
    refer: bool | None = None
    error: str | None = None

    @property
    def doubt(self) -> str | None:
        """What a person must be told beside the class, if anything."""
        if self.in_distribution is False:
            return "this does not look like a brain MRI"
        if self.refer:
            return "the model is not sure: refer to a reader"
        return None


class Predictor:
    """A loaded SavedModel."""

    def __init__(self, path: Path) -> None:
        """Loads the model.

        Args:
            path: The SavedModel's folder.

        Raises:
            PipelineError: There is none, or it cannot be loaded.
        """
        check_saved_model(path)
        self._model = load_saved_model(path)
        import tensorflow as tf

        self._invalid = tf.errors.InvalidArgumentError
        self._classify = self._model.signatures[SIGNATURE]
        self._constant = tf.constant
        self.path = path

    @staticmethod
    def load(model: Path | None = None, *, work: Path = Path("work")) -> "Predictor":
        """Loads a given model, or the newest version of the only one that was pushed.

        Args:
            model: As `find_saved_model` takes it.
            work: The work folder to look for pushed models in.

        Returns:
            The loaded model.

        Raises:
            PipelineError: There is none, or a choice that nobody has made.
        """
        return Predictor(find_saved_model(model, work))

    def __call__(self, image: Path) -> FilePrediction:
        """Classifies one image file; what is wrong with it is said in the prediction.

        Args:
            image: A file of any format that `imaging.reader` knows; of several frames or slices,
                the middle one.

        Returns:
            The prediction.
        """
        try:
            encoded = read_file(image, ONE_PICTURE).images[0].encoded
            outputs = self._classify(image_bytes=self._constant([encoded]))
        except (RejectedImageError, ReadFailedError) as error:
            return FilePrediction(image, error=str(error))
        except self._invalid:  # of a model of before, that takes fewer files
            return FilePrediction(image, error="the model cannot decode it")
        arrays = {name: tensor.numpy() for name, tensor in outputs.items()}
        return FilePrediction(image, **said_of(arrays, 0))


def said_of(outputs: Mapping[str, np.ndarray[Any, Any]], row: int) -> dict[str, Any]:
    """Reads what the model says of one image.

    Args:
        outputs: What the signature gave, an image a row.
        row: The image's.

    Returns:
        The fields of a `FilePrediction` by name; without the flags that a model of an earlier
        version does not give.
    """
    names = [name.decode() for name in outputs["classes"][row]]
    values = [float(value) for value in outputs["probabilities"][row]]
    flags = {"in_distribution", "refer"} & outputs.keys()
    return {
        "label": outputs["label"][row].decode(),
        "confidence": float(outputs["confidence"][row]),
        "probabilities": dict(zip(names, values, strict=True)),
        **{name: bool(outputs[name][row]) for name in flags},
    }


def check_saved_model(path: Path) -> None:
    """Looks for a SavedModel without loading anything.

    Args:
        path: Its folder.

    Raises:
        PipelineError: There is none.
    """
    if not (path / SAVED_MODEL_FILE).is_file():
        raise PipelineError(f"{path} holds no SavedModel: name the folder of a version.")


def load_saved_model(path: Path) -> Any:
    """Loads a SavedModel that classifies images.

    Args:
        path: Its folder.

    Returns:
        What TensorFlow makes of it.

    Raises:
        PipelineError: It cannot be loaded, or is another kind of model.
    """
    import tensorflow as tf

    try:
        with plain_path(path) as plain:
            model = tf.saved_model.load(str(plain))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise PipelineError(
            f"The SavedModel in {path} cannot be loaded: {error} Name another with --model, or "
            "make it anew with `mri run`."
        ) from error
    if SIGNATURE not in model.signatures:
        raise PipelineError(
            f"The SavedModel in {path} has no signature {SIGNATURE}: name one that `mri run` has "
            "made."
        )
    return model


def latest_pushed(work: Path) -> Path:
    """The newest version of the only model that was pushed.

    Args:
        work: The work folder.

    Returns:
        Its folder.

    Raises:
        PipelineError: Nothing was pushed yet, or several models.
    """
    return newest_version(served_model(work / "serving", None))


def find_saved_model(model: Path | None, work: Path) -> Path:
    """The SavedModel that a person means.

    Args:
        model: Its folder, or the folder of its versions, or the name of a pushed model; None for
            the only pushed model. Of versions the newest is taken.
        work: The work folder to look for pushed models in.

    Returns:
        Its folder.

    Raises:
        PipelineError: Nothing was pushed yet, several models, or there is no SavedModel.
    """
    if model is None:
        return latest_pushed(work)
    serving = work / "serving"
    if not model.exists() and str(model) in served_models(serving):
        model = served_model(serving, str(model))
    if not (model / SAVED_MODEL_FILE).is_file() and pushed_versions(model):
        model = newest_version(model)
    check_saved_model(model)
    return model


@lru_cache(maxsize=1)
def _latest(work: Path) -> Predictor:
    return Predictor.load(work=work)


def predict(image: str | Path, *, work: str | Path = "work") -> FilePrediction:
    """Classifies one image with the version that was pushed last; the model is loaded once.

    Args:
        image: A file, as `Predictor` takes it.
        work: The work folder.

    Returns:
        The prediction.

    Raises:
        PipelineError: No model was pushed yet.
    """
    return _latest(Path(work))(Path(image))
