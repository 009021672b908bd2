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
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from components.whole_file import whole_file
from imaging.config import ReadConfig
from imaging.picture import ReadFailedError, RejectedImageError
from imaging.quality import Quality, measure
from imaging.reader import read_content
from serving.server.servable import Call, Servable
from serving.server.tensors import Array

_WAITING = 1000
"""Requests that wait to be measured; what comes beyond is not logged."""
_WAITING_BYTES = 2**28
"""The same of their images, of which one request may bring many and large ones."""
_LIMITS = ReadConfig(max_pixels=2**26)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LogOptions:
    """Where and how much is logged.

    Attributes:
        folder: Where the files go.
        sampling: Share of requests that is logged.
        rows: Rows a file holds.
        seconds: Age at which a file is closed.
    """

    folder: Path
    sampling: float = 1.0
    rows: int = 1000
    seconds: float = 60.0


@dataclass(frozen=True)
class LogRow:
    """One image of one request.

    Attributes:
        time: When it was answered, seconds since 1970.
        model: The model's name.
        version: Its version.
        label: The class.
        confidence: The probability of that class.
        in_distribution: Whether the model knows such images; None: it does not say.
        latency_ms: How long the request took, of which this image may be a part.
        mean: As in `imaging.quality`, as are the others; None: not decodable.
        std: See there.
        foreground: See there.
        aspect: See there.
        sharpness: See there.
        border: See there.
    """

    time: float
    model: str
    version: int
    label: str
    confidence: float
    in_distribution: bool | None
    latency_ms: float
    mean: float | None = None
    std: float | None = None
    foreground: float | None = None
    aspect: float | None = None
    sharpness: float | None = None
    border: float | None = None


@dataclass(frozen=True)
class _Prediction:
    """What a thread makes rows of."""

    servable: Servable
    images: Array
    outputs: dict[str, Array]
    time: float
    seconds: float

    @property
    def size(self) -> int:
        """Bytes of the images."""
        return sum(map(len, self.images.flat))


class RequestLog:
    """Logs predictions that give `label` and `confidence` for each of their input's strings."""

    def __init__(self, options: LogOptions) -> None:
        """Makes the folder and starts the thread that measures and writes.

        Args:
            options: Where and how much is logged.

        Raises:
            OSError: The folder cannot be made.
        """
        options.folder.mkdir(parents=True, exist_ok=True)
        self._options = options
        self._random = random.Random()
        self._queue: queue.Queue[_Prediction | None] = queue.Queue()
        self._held = 0
        self._holding = threading.Lock()
        self._rows: list[LogRow] = []
        self._opened = 0.0
        self._files = 0
        self._lost = False
        self._thread = threading.Thread(target=self._work, name="request-log", daemon=True)
        self._thread.start()

    def observe(
        self, servable: Servable, request: Any, call: Call, outputs: Sequence[Array], seconds: float
    ) -> None:
        """Takes note of one request, if it is sampled and has something to log."""
        if call.api != "Predict" or self._random.random() >= self._options.sampling:
            return
        signature = servable.signatures[request.model_spec.signature_name or "serving_default"]
        named = {
            alias: outputs[call.fetches.index(info.name)]
            for alias, info in signature.outputs.items()
            if info.name in call.fetches
        }
        one_string = len(call.arrays) == 1 and call.arrays[0].dtype == object
        if not one_string or not {"label", "confidence"} <= set(named):
            return
        prediction = _Prediction(servable, call.arrays[0], named, time.time(), seconds)
        with self._holding:
            few = self._queue.qsize() < _WAITING
            small = not self._held or self._held + prediction.size <= _WAITING_BYTES
            if few and small:
                self._held += prediction.size
                self._queue.put(prediction)
                return
        self._say_lost("more requests come than can be measured")

    def close(self, seconds: float = 10.0) -> None:
        """Writes what is there and ends.

        Args:
            seconds: After how long it is no more waited for.
        """
        self._queue.put(None)
        self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            try:
                prediction = self._queue.get(timeout=self._options.seconds)
            except queue.Empty:
                self._roll()
                continue
            if prediction is None:
                self._write()
                return
            if not self._rows:
                self._opened = time.monotonic()
            try:
                self._rows += rows_of(prediction)
            except (ValueError, IndexError, TypeError) as error:
                self._say_lost(f"a prediction has another form than expected: {error}")
            with self._holding:
                self._held -= prediction.size
            self._roll()

    def _roll(self) -> None:
        old = time.monotonic() - self._opened >= self._options.seconds
        if len(self._rows) >= self._options.rows or (self._rows and old):
            self._write()

    def _write(self) -> None:
        """Writes a file under another name and renames it; on failure its rows are lost."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        self._files += 1
        name = f"requests-{time.time_ns()}-{os.getpid()}-{self._files:06}.parquet"
        path = self._options.folder / name
        try:
            with whole_file(path) as file:
                _write_parquet(rows, file)
            self._lost = False
        except OSError as error:
            self._say_lost(f"{path} cannot be written: {error.strerror or error}")

    def _say_lost(self, why: str) -> None:
        if not self._lost:
            self._lost = True
            log.error("Predictions are not logged: %s", why)


def rows_of(prediction: _Prediction) -> list[LogRow]:
    """Measures each image of a request.

    Raises:
        ValueError: The outputs do not hold a value for each image.
    """
    outputs = prediction.outputs
    count = len(prediction.images)
    labels, confidences = outputs["label"], outputs["confidence"]
    known = outputs.get("in_distribution", np.full(count, None, dtype=object))
    if not count == len(labels) == len(confidences) == len(known):
        raise ValueError("not one value for each image")
    return [
        LogRow(
            time=prediction.time,
            model=prediction.servable.name,
            version=prediction.servable.version,
            label=bytes(labels[row]).decode(errors="replace"),
            confidence=float(confidences[row]),
            in_distribution=None if known[row] is None else bool(known[row]),
            latency_ms=prediction.seconds * 1000,
            **(asdict(quality) if (quality := _quality(image)) else {}),
        )
        for row, image in enumerate(prediction.images)
    ]


def _quality(image: bytes) -> Quality | None:
    """The scalar features of an encoded image; None where it cannot be decoded."""
    try:
        return measure(read_content(image, _LIMITS).images[0].pixels)
    except (RejectedImageError, ReadFailedError):
        return None


def _write_parquet(rows: Sequence[LogRow], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "time": pa.timestamp("us", tz="UTC"),
        "model": pa.string(),
        "label": pa.string(),
        "version": pa.int64(),
        "in_distribution": pa.bool_(),
    }
    schema = pa.schema((f.name, kinds.get(f.name, pa.float64())) for f in fields(LogRow))
    columns = {field.name: [getattr(row, field.name) for row in rows] for field in fields(LogRow)}
    columns["time"] = [int(moment * 1e6) for moment in columns["time"]]
    pq.write_table(pa.table(columns, schema=schema), path)
