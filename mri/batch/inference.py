"""A SavedModel behind Beam's RunInference: files in, rows out, whatever is in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeAlias

import tensorflow as tf
from apache_beam.ml.inference.base import ModelHandler

from components.contents import read_failed
from components.errors import PipelineError
from imaging.config import EVERY_PICTURE, MOST_FRAMES
from imaging.picture import MissingReaderError, ReadFailedError, RejectedImageError
from imaging.reader import DecodedImage, open_file
from mri.classified import Classified
from mri.predictor import classify, load_saved_model
from pipeline.paths import printable
from serving.client import EncodedImage, encoded_image

Numbered: TypeAlias = tuple[int, str, str]
"""A file's number in the listing, its name there, and the path that leads to it from anywhere."""

_UNREADABLE = "the model cannot decode it"
_load = lru_cache(maxsize=1)(load_saved_model)


class SavedModelHandler(ModelHandler[Numbered, tuple[int, list[Classified]], Any]):
    """Reads and classifies files a few at a time; one that cannot be classified gets an error.

    Files are read here, not in a step before, and their frames one at a time, so that no more than
    one file and one batch of images is ever in memory.
    """

    def __init__(self, model: Path, batch_size: int) -> None:
        """Says which model.

        Args:
            model: The SavedModel's folder.
            batch_size: How many images go through the model at once.
        """
        super().__init__()
        self._model = model
        self.batch_size = batch_size

    def load_model(self) -> Any:
        """Loads the model, once in a process.

        Raises:
            PipelineError: It cannot be loaded.
        """
        return _load(self._model)

    def batch_elements_kwargs(self) -> Mapping[str, int]:
        """Batches of one size, as the model's speed is known."""
        return {"min_batch_size": self.batch_size, "max_batch_size": self.batch_size}

    def run_inference(
        self,
        batch: Sequence[Numbered],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,  # noqa: ARG002 - Beam's
    ) -> Iterable[tuple[int, list[Classified]]]:
        """Classifies a batch of files.

        Args:
            batch: The files.
            model: What `load_model` gave.
            inference_args: Nothing.

        Yields:
            The rows of a file, numbered as the file: one a frame, and before those of several
            frames one for all of them.

        Raises:
            PipelineError: This machine cannot read or classify one now, has no library that reads
                it, or too little memory: that is no result of the file.
        """
        frames = (
            (number, printable(name), one)
            for number, name, path in batch
            for one in _frames(name, path)
        )
        answered = _classified(model, frames, self.batch_size)
        for number, rows in groupby(answered, key=lambda one: one[0]):
            found = [(row, head) for _, row, head in rows]
            each = [row for row, _ in found]
            whole = Classified.of_volume(each, [head for _, head in found])
            yield number, [*([whole] if whole else []), *each]


_Frame: TypeAlias = EncodedImage | Classified
"""A frame of a file, or why there is none."""


def _frames(name: str, path: str) -> Iterator[_Frame]:
    """The frames of a file, one at a time, without those of a single colour."""
    name = printable(name)
    try:
        file = open_file(path, EVERY_PICTURE, most=MOST_FRAMES)
        for number, found in file.shown():
            if isinstance(found, DecodedImage):
                yield encoded_image(found)
            elif isinstance(found, ReadFailedError):
                raise found
            else:
                of = file.frames if file.frames > 1 else None
                yield Classified(name, of and number, of, error=str(found))
    except MissingReaderError as error:
        raise PipelineError(f"{error}; {name} is such a file") from error
    except RejectedImageError as error:
        yield Classified(name, error=str(error))
    except ReadFailedError as error:
        raise read_failed(error, name) from error


def _classified(
    model: Any, frames: Iterator[tuple[int, str, _Frame]], at_once: int
) -> Iterator[tuple[int, Classified, float]]:
    """Classifies frames, a few at a time; gives rows, and how much of each the head takes up."""
    while some := list(islice(frames, at_once)):
        images = [(path, one) for _, path, one in some if isinstance(one, EncodedImage)]
        answers = iter(_answers(model, images) if images else ())
        for number, _, one in some:
            if isinstance(one, EncodedImage):
                yield number, next(answers), one.head
            else:
                yield number, one, 0.0


def _answers(model: Any, images: Sequence[tuple[str, EncodedImage]]) -> list[Classified]:
    try:
        outputs = classify(model, [image.content for _, image in images])
    except tf.errors.OpError:
        return [_alone(model, *one) for one in images]
    return [_answer(path, outputs, image, row) for row, (path, image) in enumerate(images)]


def _answer(path: str, outputs: Mapping[str, Any], image: EncodedImage, row: int = 0) -> Classified:
    return Classified.of(path, outputs, row, frame=image.frame, frames=image.frames)


def _alone(model: Any, path: str, image: EncodedImage) -> Classified:
    """An image of a batch that failed, by itself."""
    try:
        return _answer(path, classify(model, [image.content]), image)
    except tf.errors.InvalidArgumentError:
        return Classified(path, image.frame, image.frames, error=_UNREADABLE)
    except tf.errors.OpError as error:
        raise PipelineError(f"the model failed on {path}: {type(error).__name__}") from error
