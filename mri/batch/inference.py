"""A SavedModel behind Beam's RunInference: files in, a row a file out, whatever is in them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import tensorflow as tf
from apache_beam.ml.inference.base import ModelHandler

from components.contents import read_failed
from components.errors import PipelineError
from imaging.config import ONE_PICTURE
from imaging.picture import MissingReaderError, ReadFailedError, RejectedImageError
from imaging.reader import DecodedImage, read_file
from mri.classified import Classified
from mri.predictor import classify, load_saved_model
from pipeline.paths import printable

Numbered: TypeAlias = tuple[int, bytes]
"""A file, and its number in the listing; bytes, as Beam's coder for text takes UTF-8 only."""

_UNREADABLE = "the model cannot decode it"
_load = lru_cache(maxsize=1)(load_saved_model)


class SavedModelHandler(ModelHandler[Numbered, tuple[int, Classified], Any]):
    """Reads and classifies files a few at a time; one that cannot be classified gets an error.

    Files are read here, not in a step before, so that no more than one batch is ever in memory.
    """

    def __init__(self, model: Path, batch_size: int) -> None:
        """Says which model.

        Args:
            model: The SavedModel's folder.
            batch_size: How many images go through the model at once.
        """
        super().__init__()
        self._model = model
        self._batch_size = batch_size

    def load_model(self) -> Any:
        """Loads the model, once in a process.

        Raises:
            PipelineError: It cannot be loaded.
        """
        return _load(self._model)

    def batch_elements_kwargs(self) -> Mapping[str, int]:
        """Batches of one size, as the model's speed is known."""
        return {"min_batch_size": self._batch_size, "max_batch_size": self._batch_size}

    def run_inference(
        self,
        batch: Sequence[Numbered],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,  # noqa: ARG002 - Beam's
    ) -> Iterable[tuple[int, Classified]]:
        """Classifies a batch of files.

        Args:
            batch: The files.
            model: What `load_model` gave.
            inference_args: Nothing.

        Yields:
            A row a file, numbered as the file.

        Raises:
            PipelineError: This machine cannot read or classify one now, has no library that reads
                it, or too little memory: that is no result of the file.
        """
        readable: list[tuple[int, str, DecodedImage]] = []
        for number, name in batch:
            path = os.fsdecode(name)
            try:
                readable.append((number, printable(path), read_file(path, ONE_PICTURE).images[0]))
            except MissingReaderError as error:
                raise PipelineError(f"{error}; {printable(path)} is such a file") from error
            except RejectedImageError as error:
                yield number, Classified(printable(path), error=str(error))
            except ReadFailedError as error:
                raise read_failed(error, printable(path)) from error
        if not readable:
            return
        try:
            outputs = classify(model, [image.encoded for *_, image in readable])
        except tf.errors.OpError:
            yield from (_alone(model, *one) for one in readable)
            return
        for row, (number, path, image) in enumerate(readable):
            yield number, _answer(path, outputs, image, row)


def _answer(path: str, outputs: Mapping[str, Any], image: DecodedImage, row: int = 0) -> Classified:
    return Classified.of(path, outputs, row, frame=image.frame, frames=image.frames)


def _alone(model: Any, number: int, path: str, image: DecodedImage) -> tuple[int, Classified]:
    """A file of a batch that failed, by itself."""
    try:
        return number, _answer(path, classify(model, [image.encoded]), image)
    except tf.errors.InvalidArgumentError:
        return number, Classified(path, error=_UNREADABLE)
    except tf.errors.OpError as error:
        raise PipelineError(f"the model failed on {path}: {type(error).__name__}") from error
