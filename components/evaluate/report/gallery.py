"""The images that a reviewer should see: what was missed, mistaken and doubted."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.evaluate.metrics import Answers
from components.evaluate.predictions.inference import scalar_features
from components.evaluate.predictions.table import PredictionTable
from components.transform.records import encoded_image, read_records
from imaging.reader import decode
from imaging.thumbnail import data_address
from imaging.thumbnail import thumbnail as small_copy

EACH = 20
MOST_MISSED = 400
EXPLAIN = "explain"

_SIDE = 192
_BATCH = 8

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exhibit:
    """An image and what the model says of it.

    Attributes:
        digest: The start of the sha256 of the JPEG or PNG that ingest took in.
        label: Its true class, or None.
        predicted: The likeliest class.
        confidence: Of that class.
        image: As a data URI.
        overlay: The same with where the model looked, if the model says.
    """

    digest: str
    label: str | None
    predicted: str
    confidence: float
    image: str
    overlay: str | None


@dataclass(frozen=True)
class Choice:
    """Rows of the predictions to show, the most telling first.

    Attributes:
        missed: Images with a tumour that were called free of one.
        missed_in_all: How many there are, shown or not.
        mistakes: The most confident wrong answers.
        uncertain: The least confident answers.
    """

    missed: tuple[int, ...] = ()
    missed_in_all: int = 0
    mistakes: tuple[int, ...] = ()
    uncertain: tuple[int, ...] = ()

    @staticmethod
    def of(predictions: PredictionTable, healthy: str | None) -> "Choice":
        """Chooses the images.

        Args:
            predictions: All with labels and finite probabilities.
            healthy: The class without a tumour.

        Returns:
            The rows.
        """
        answers = Answers(predictions.labels, predictions.probabilities)
        predicted, confidence = answers.predicted, answers.confidence
        # Of equally confident answers, as there are many at 1, digests draw: rows are by class.
        doubtful = np.lexsort((predictions.labels, predictions.sha256, confidence))
        sure = np.lexsort((predictions.labels, predictions.sha256, -confidence))
        mistakes = [int(row) for row in sure if not answers.right[row]]
        missed: list[int] = []
        if healthy is not None:
            index = predictions.classes.index(healthy)
            missed = [row for row in mistakes if predicted[row] == index]
        return Choice(
            missed=tuple(missed[:MOST_MISSED]),
            missed_in_all=len(missed),
            mistakes=tuple(mistakes[:EACH]),
            uncertain=tuple(int(row) for row in doubtful[:EACH]),
        )

    @property
    def rows(self) -> frozenset[int]:
        """All of them."""
        return frozenset((*self.missed, *self.mistakes, *self.uncertain))


def exhibits(
    predictions: PredictionTable, rows: frozenset[int], examples: str, saved_model: Path
) -> dict[int, Exhibit]:
    """Reads images and asks the model where it looked.

    Args:
        predictions: Of all images.
        rows: Those to show.
        examples: The folder of ingest's test Examples.
        saved_model: The model's folder.

    Returns:
        Exhibits by row. An image that is no longer there has none.
    """
    wanted: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        wanted[str(predictions.sha256[row])].append(row)
    explainer = _Explainer(saved_model) if wanted else None
    shown: dict[int, Exhibit] = {}
    for batch in _chosen(examples, wanted):
        overlays = explainer([encoded for _, encoded in batch]) if explainer else []
        for (digest, encoded), overlay in zip(batch, overlays, strict=True):
            for row in wanted[digest]:
                shown[row] = _exhibit(predictions, row, encoded, overlay)
    return shown


def _chosen(examples: str, wanted: Collection[str]) -> Iterator[list[tuple[str, bytes]]]:
    """Images by their digests, each once, however many rows are of it."""
    left, batch = set(wanted), []
    for records in read_records(examples, _BATCH) if wanted else ():
        for record in records:
            digest = scalar_features(record).get("image/sha256", b"").decode()
            if digest in left:
                left.remove(digest)
                batch.append((digest, encoded_image(record)))
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class _Explainer:
    """A SavedModel, asked where it looked."""

    def __init__(self, saved_model: Path) -> None:
        # The signatures alone do not keep the model's variables alive.
        self._model: Any = tf.saved_model.load(str(saved_model))
        self._explain = self._model.signatures.get(EXPLAIN)
        if self._explain is None:
            _LOG.warning("the model has no signature %r: images come without overlays", EXPLAIN)

    def __call__(self, encoded: Sequence[bytes]) -> list[bytes | None]:
        outputs = self._explain(image_bytes=tf.constant(list(encoded))) if self._explain else {}
        if "overlay_bytes" not in outputs:
            return [None] * len(encoded)
        return [bytes(one) for one in outputs["overlay_bytes"].numpy()]


def _exhibit(
    predictions: PredictionTable, row: int, encoded: bytes, overlay: bytes | None
) -> Exhibit:
    label, values = int(predictions.labels[row]), predictions.probabilities[row]
    return Exhibit(
        digest=str(predictions.sha256[row])[:12],
        label=predictions.classes[label] if label >= 0 else None,
        predicted=predictions.classes[int(values.argmax())],
        confidence=float(values.max()),
        image=thumbnail(encoded),
        overlay=None if overlay is None else thumbnail(overlay),
    )


def thumbnail(encoded: bytes) -> str:
    """A small copy of an image as a data URI.

    Args:
        encoded: JPEG or PNG file, as ingest stores it.

    Returns:
        A JPEG file of at most 192 pixels a side.
    """
    return data_address(small_copy(decode(encoded), _SIDE))
