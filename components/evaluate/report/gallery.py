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
from components.evaluate.predictions.table import PredictionTable
from components.exported_model import scalar_features
from components.transform.records import encoded_image, read_records
from imaging.picture import Levels
from imaging.reader import decode
from imaging.thumbnail import data_address, thumbnail

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
        label: Its true class.
        predicted: The likeliest class.
        confidence: Of that class.
        image: The part of it that the model saw, as a data URI.
        overlay: The same part with where the model looked, if the model says.
        reasons: Why a person must decide, in words; empty if the model gives no reason.
    """

    digest: str
    label: str
    predicted: str
    confidence: float
    image: str
    overlay: str | None
    reasons: str = ""


@dataclass(frozen=True)
class Gallery:
    """Images side by side.

    Attributes:
        title: What they have in common.
        sentence: Which of them are shown.
        rows: Those to show, as rows of the predictions, the most telling first.
        count: How many there are, shown or not.
    """

    title: str
    sentence: str
    rows: tuple[int, ...]
    count: int


def galleries(predictions: PredictionTable, healthy: str | None) -> list[Gallery]:
    """Chooses images to show.

    Args:
        predictions: All with labels and finite probabilities.
        healthy: The class without a tumour.

    Returns:
        The missed tumours, where a class is without one, mistakes, and uncertain images. An image
        stands in the first of them that it belongs to.
    """
    answers = Answers(predictions.labels, predictions.probabilities)
    # Of equally confident answers, as there are many at 1, digests draw: rows are by class.
    doubtful, sure = (
        np.lexsort((predictions.labels, predictions.sha256, order)).tolist()
        for order in (answers.confidence, -answers.confidence)
    )
    mistakes = [row for row in sure if not answers.right[row]]
    found, missed = [], list[int]()
    if healthy is not None:
        index = predictions.classes.index(healthy)
        missed = [row for row in mistakes if answers.predicted[row] == index]
        more = len(missed) - MOST_MISSED
        words = f"Every test image with a tumour that the model calls {healthy}"
        words += f"; {more:,} more are not shown." if more > 0 else "."
        found.append(Gallery("Missed tumours", words, tuple(missed[:MOST_MISSED]), len(missed)))
    taken = {str(predictions.sha256[row]) for row in missed}
    for title, words, rows in (
        ("Most confident mistakes", "Other mistakes, the most confident first.", mistakes),
        (
            "Most uncertain images",
            "All other images, correct or wrong, the least certain first.",
            doubtful,
        ),
    ):
        others = [row for row in rows if str(predictions.sha256[row]) not in taken][:EACH]
        taken |= {str(predictions.sha256[row]) for row in others}
        found.append(Gallery(title, words, tuple(others), len(others)))
    return found


def exhibits(
    predictions: PredictionTable, rows: Collection[int], examples: str, saved_model: Path
) -> dict[int, Exhibit]:
    """Reads images and asks the model where it looked.

    Args:
        predictions: All with labels and finite probabilities.
        rows: Those to show.
        examples: The folder of ingest's test Examples.
        saved_model: The model's folder.

    Returns:
        Exhibits by row. An image that is no longer there has none.
    """
    if not rows:
        return {}
    wanted: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        wanted[str(predictions.sha256[row])].append(row)
    # The signatures alone do not keep the model's variables alive.
    model: Any = tf.saved_model.load(str(saved_model))
    explain = model.signatures.get(EXPLAIN)
    if explain is None:
        _LOG.warning("the model has no signature %r: images come without overlays", EXPLAIN)
    shown: dict[int, Exhibit] = {}
    for batch in chosen_images(examples, wanted):
        images = tf.constant([encoded for _, encoded in batch])
        outputs = explain(image_bytes=images) if explain else {}
        nothing = [None] * len(batch)
        overlays = outputs["overlay_bytes"].numpy() if "overlay_bytes" in outputs else nothing
        boxes = outputs["crop_box"].numpy() if "crop_box" in outputs else nothing
        for (digest, encoded), overlay, box in zip(batch, overlays, boxes, strict=True):
            seen = decode(encoded) if box is None else cropped(decode(encoded), box)
            for row in wanted[digest]:
                shown[row] = _exhibit(predictions, row, seen, overlay)
    return shown


def chosen_images(examples: str, wanted: Collection[str]) -> Iterator[list[tuple[str, bytes]]]:
    """Reads images by their digests, each once, however many rows are of it.

    Args:
        examples: The folder of a split's Examples.
        wanted: The digests.

    Yields:
        Some digests with their JPEG or PNG files. An image that is gone is left out.
    """
    left, batch = set(wanted), []
    for records in read_records(examples, _BATCH):
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


def _exhibit(
    predictions: PredictionTable, row: int, seen: Levels, overlay: bytes | None
) -> Exhibit:
    values = predictions.probabilities[row]
    return Exhibit(
        digest=str(predictions.sha256[row])[:12],
        label=predictions.classes[predictions.labels[row]],
        predicted=predictions.classes[int(values.argmax())],
        confidence=float(values.max()),
        image=_thumbnail(seen),
        overlay=None if overlay is None else _thumbnail(decode(overlay)),
        reasons="" if predictions.reasons is None else str(predictions.reasons[row]),
    )


def cropped(pixels: Levels, box: Sequence[float]) -> Levels:
    """Cuts a part out of an image; beyond the image it is black.

    Args:
        pixels: uint8, [height, width] or [height, width, 3].
        box: Top, left, bottom and right, as shares of height and width.

    Returns:
        The same with other rows and columns, at least one of each.
    """
    height, width = pixels.shape[:2]
    top, left, bottom, right = (
        round(share * size) for share, size in zip(box, (height, width) * 2, strict=True)
    )
    part = np.zeros((max(bottom - top, 1), max(right - left, 1), *pixels.shape[2:]), np.uint8)
    inside = pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    row, column = max(-top, 0), max(-left, 0)
    part[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return part


def _thumbnail(pixels: Levels) -> str:
    """A small copy of an image as a data URI."""
    return data_address(thumbnail(pixels, _SIDE))
