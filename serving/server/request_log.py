"""A log of predictions for monitoring: what images look like and what was answered, in Parquet.

A row holds scalar features of one image, the answer and how long it took. No image is kept, nor
anything that says whose it is. Logging never delays or fails a request: where it cannot keep up or
cannot write, rows are lost, and that is said once.
"""

import logging
import os
import queue
import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.errors import path_error
from components.servable import DEFAULT_SIGNATURE
from components.whole_file import whole_file
from imaging.config import ReadConfig
from imaging.picture import ReadFailedError, RejectedImageError
from imaging.quality import Quality, measure
from imaging.reader import read_content

if TYPE_CHECKING:
    from serving.server.servable import Call, Servable

_WAITING = 1000
"""Requests that wait to be measured; what comes beyond is not logged."""
_WAITING_BYTES = 2**28
"""The same of their images, of which one request may bring many and large ones."""
_LOGGED = {"label", "confidence"}
OUTPUTS = ("label", "confidence", "in_distribution", "reasons")
"""A model's outputs of which there is a column."""
_LIMITS = ReadConfig(max_pixels=2**26)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answered:
    """A request that was answered: what a thread makes rows of.

    Attributes:
        model: The model's name.
        version: Its version.
        images: Their bytes; dtype object.
        outputs: Values by the name of the output, a row an image.
        time: When it was answered.
        seconds: How long that took.
    """

    model: str
    version: int
    images: NDArray[Any]
    outputs: Mapping[str, NDArray[Any]]
    time: datetime
    seconds: float

    @property
    def size(self) -> int:
        """Bytes of the images."""
        return sum(map(len, self.images.flat))


class RequestLog:
    """Logs predictions that give `label` and `confidence` for each of their input's strings."""

    def __init__(
        self, folder: Path, sampling: float = 1.0, rows: int = 1000, seconds: float = 60.0
    ) -> None:
        """Logs this share of requests, in files that are closed at so many rows or seconds."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise path_error(error)(
                f"Cannot log requests in {folder}: {error.strerror}. Name another folder."
            ) from error
        self._folder, self._sampling = folder, sampling
        self._most_rows, self._seconds = rows, seconds
        self._queue: queue.Queue[Answered | None] = queue.Queue()
        self._held = 0
        self._holding = threading.Lock()
        self._lost = False
        self._thread = threading.Thread(target=self._work, name="request-log", daemon=True)
        self._thread.start()

    def observe(
        self,
        servable: "Servable",
        request: Any,
        call: "Call",
        outputs: Sequence[NDArray[Any]],
        seconds: float,
    ) -> None:
        """Takes note of one request of this server's, if it has something to log."""
        if call.api != "Predict":
            return
        signature = servable.signatures[request.model_spec.signature_name or DEFAULT_SIGNATURE]
        fetched = dict(zip(call.fetches, outputs, strict=True))
        wanted = signature.outputs.items()
        named = {alias: fetched[info.name] for alias, info in wanted if info.name in fetched}
        one_string = len(call.arrays) == 1 and call.arrays[0].dtype == object
        if not one_string:
            return
        now = datetime.now(timezone.utc)
        self.take(Answered(servable.name, servable.version, call.arrays[0], named, now, seconds))

    def take(self, answered: Answered) -> None:
        """Takes note of one request, if it is sampled and says what the model answered.

        Args:
            answered: The request and its answer.
        """
        if random.random() >= self._sampling or not set(answered.outputs) >= _LOGGED:
            return
        size = answered.size
        with self._holding:
            few = self._queue.qsize() < _WAITING
            if few and (not self._held or self._held + size <= _WAITING_BYTES):
                self._held += size
                self._queue.put(answered)
                return
        self.say_lost("more requests arrive than can be measured")

    def close(self, seconds: float = 10.0) -> None:
        """Writes what is there and ends; is waited for so long."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _work(self) -> None:
        rows: list[dict[str, Any]] = []
        due = 0.0
        while True:
            prediction = None
            with suppress(queue.Empty):
                wait = max(due - time.monotonic(), 0) if rows else None
                prediction = self._queue.get(timeout=wait)
                if prediction is None:
                    self._write(rows)
                    return
            if prediction:
                due = due if rows else time.monotonic() + self._seconds
                try:
                    rows += rows_of(prediction)
                except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
                    self.say_lost(f"a prediction does not have the expected form: {error}")
                with self._holding:
                    self._held -= prediction.size
            if len(rows) >= self._most_rows or (rows and time.monotonic() >= due):
                self._write(rows)
                rows = []

    def _write(self, rows: list[dict[str, Any]]) -> None:
        """Writes a file under another name and renames it; on failure its rows are lost."""
        if not rows:
            return
        path = self._folder / f"requests-{time.time_ns()}-{os.getpid()}.parquet"
        try:
            with whole_file(path) as file:
                _write_parquet(rows, file)
            self._lost = False
        except OSError as error:
            self.say_lost(f"{path} cannot be written: {error.strerror or error}")

    def say_lost(self, why: str) -> None:
        """Says that requests are not logged, and why; once, until some are written again."""
        if not self._lost:
            self._lost = True
            log.error("Predictions are not logged: %s", why)


def rows_of(prediction: Answered) -> list[dict[str, Any]]:
    """Measures each image of a request: a row for each, by column."""
    images = prediction.images
    unsaid = np.full(len(images), None)
    columns = (prediction.outputs.get(name, unsaid).tolist() for name in OUTPUTS)
    rows = zip(*columns, strict=True)
    return [
        {
            "time": prediction.time,
            "model": prediction.model,
            "version": prediction.version,
            "label": label.decode(errors="replace"),
            "confidence": float(confidence),
            "in_distribution": None if known is None else bool(known),
            "reasons": None if reasons is None else reasons.decode(errors="replace"),
            "latency_ms": prediction.seconds * 1000,
            **_quality(image),
        }
        for image, (label, confidence, known, reasons) in zip(images, rows, strict=True)
    ]


def _quality(image: bytes) -> dict[str, float]:
    """The scalar features of an encoded image; none if it cannot be decoded."""
    try:
        return asdict(measure(read_content(image, _LIMITS).images[0].pixels))
    except (RejectedImageError, ReadFailedError):
        return {}


def _write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Writes rows. What one lacks is null: the features of an image that cannot be decoded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        {
            "time": pa.timestamp("us", tz="UTC"),  # when it was answered
            "model": pa.string(),
            "version": pa.int64(),
            "label": pa.string(),
            "confidence": pa.float64(),
            "in_distribution": pa.bool_(),  # null: the model does not say
            "reasons": pa.string(),  # null likewise
            "latency_ms": pa.float64(),  # of the request, of which the image may be a part
            **{feature.name: pa.float64() for feature in fields(Quality)},
        }
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
