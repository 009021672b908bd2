"""A result a file, and the files that results are written to."""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from components.whole_file import whole_file

Format = Literal["parquet", "csv"]

_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("confidence", pa.float32()),
        ("probabilities", pa.map_(pa.string(), pa.float32())),
        ("in_distribution", pa.bool_()),
        ("refer", pa.bool_()),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True)
class BatchRow:
    """What became of one file; of a file that could not be classified, `error` alone is set.

    Attributes:
        path: The file, bytes that are no UTF-8 written as escapes.
        label: The likeliest class.
        confidence: Its probability.
        probabilities: Probability by class name.
        in_distribution: Whether the image looks like those that the model knows, if it says so.
        refer: Whether a person should decide, if the model says so.
        error: Why the file could not be classified.
    """

    path: str
    label: str | None = None
    confidence: float | None = None
    probabilities: dict[str, float] | None = None
    in_distribution: bool | None = None
    refer: bool | None = None
    error: str | None = None


def write_rows(rows: Sequence[BatchRow], path: Path, format: Format) -> None:  # noqa: A002
    """Writes results so that their file's name only ever holds all of them.

    Args:
        rows: The results.
        path: The file.
        format: Its format. In CSV the probabilities are a JSON object.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    with whole_file(path) as unfinished:
        if format == "parquet":
            pq.write_table(_table(rows), unfinished)
        else:
            _write_csv(rows, unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())


def count_errors(path: Path) -> tuple[int, int]:
    """How many rows a file has, and how many of them have an error."""
    if path.suffix == ".parquet":
        errors = pq.read_table(path, columns=["error"])["error"]
        return len(errors), len(errors) - errors.null_count
    with path.open(encoding="utf-8", newline="") as file:
        failed = [bool(row["error"]) for row in csv.DictReader(file)]
    return len(failed), sum(failed)


def _table(rows: Sequence[BatchRow]) -> pa.Table:
    columns = {name: [getattr(row, name) for row in rows] for name in _SCHEMA.names}
    columns["probabilities"] = [
        None if value is None else list(value.items()) for value in columns["probabilities"]
    ]
    return pa.table(columns, schema=_SCHEMA)


def _write_csv(rows: Sequence[BatchRow], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _SCHEMA.names)
        writer.writeheader()
        writer.writerows(_as_text(row) for row in rows)


def _as_text(row: BatchRow) -> dict[str, Any]:
    return dict(_texts(asdict(row)))


def _texts(fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        yield name, json.dumps(value) if isinstance(value, bool | dict) else value
