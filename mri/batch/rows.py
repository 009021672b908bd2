"""The files that results are written to."""

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from components.spreadsheet import harmless, harmless_path
from components.whole_file import whole_file
from mri.classified import Classified

Format = Literal["parquet", "csv"]

_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("frame", pa.int32()),
        ("frames", pa.int32()),
        ("label", pa.string()),
        ("confidence", pa.float32()),
        ("probabilities", pa.map_(pa.string(), pa.float32())),
        ("in_distribution", pa.bool_()),
        ("refer", pa.bool_()),
        ("reasons", pa.string()),
        ("error", pa.string()),
        ("slices", pa.int32()),
        ("prediction_set", pa.list_(pa.string())),
        ("set_level", pa.float32()),
    ]
)


def write_rows(rows: Sequence[Classified], path: Path, format: Format) -> None:  # noqa: A002 - as users call it
    """Writes results so that their file's name only ever holds all of them.

    Args:
        rows: The results.
        path: The file.
        format: Its format. In CSV the probabilities are a JSON object, and a cell that would be a
            formula begins with an apostrophe; a path with `./`.

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


def classified_files(path: Path) -> set[str]:
    """The files of which at least one frame could be classified, as the rows in a file name them.

    Args:
        path: The file of results.
    """
    if path.suffix == ".parquet":
        rows = pq.read_table(path, columns=["path", "error"]).to_pylist()
    else:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    return {row["path"] for row in rows if not row["error"]}


def path_cell(path: str, format: Format) -> str:  # noqa: A002 - as users call it
    """How a file is named in results of a format."""
    return path if format == "parquet" else str(_text("path", path))


def _table(rows: Sequence[Classified]) -> pa.Table:
    values = [
        {**asdict(row), "probabilities": row.probabilities and list(row.probabilities.items())}
        for row in rows
    ]
    return pa.Table.from_pylist(values, schema=_SCHEMA)


def _write_csv(rows: Sequence[Classified], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _SCHEMA.names)
        writer.writeheader()
        writer.writerows(
            {name: _text(name, value) for name, value in asdict(row).items()} for row in rows
        )


def _text(name: str, value: Any) -> Any:
    """A cell; none begins as a formula does, which a spreadsheet would run."""
    if isinstance(value, str):
        return harmless_path(value) if name == "path" else harmless(value)
    return json.dumps(value) if isinstance(value, bool | dict | tuple) else value
