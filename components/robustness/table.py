"""The answers about changed images as a Parquet file: written as they come, read as arrays."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.robustness.changes import CHANGES, Change, Kind
from components.strict_config import StrictConfig
from components.whole_file import whole_file

CHANGED_FILE = "changed.parquet"
SPLITS = ("eval", "test")
"""The splits whose images are changed."""
SURE = 0.9
"""Probability from which on a wrong answer is a confident one."""

_HEADER = b"changed"
_COLUMNS = {
    pa.string(): ("split", "change", "sha256", "group", "label", "style"),
    pa.int64(): ("strength", "image", "class"),
    pa.bool_(): ("in_distribution", "refer"),
    pa.list_(pa.float32()): ("probabilities", "baseline"),
}
_SCHEMA = pa.schema([(name, kind) for kind, names in _COLUMNS.items() for name in names])

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]


class ChangedHeader(StrictConfig):
    """What holds for all answers.

    Attributes:
        classes: Class names in the order of the probabilities.
        model_id: The model, an artifact of ML Metadata.
        images: How many of each split were to be changed; with 0 nothing was asked.
        missing: Outputs that the model's graph does not have.
        baseline_id: The model that it is compared with, if there is one.
        baseline_problem: Why the baseline's answers are not here although there is one.
    """

    classes: tuple[str, ...]
    model_id: int
    images: int
    missing: tuple[str, ...] = ()
    baseline_id: int | None = None
    baseline_problem: str = ""


@dataclass(frozen=True)
class SplitAnswers:
    """What models say of a split's images in all variants.

    Attributes:
        sha256: Digests of the images, [images].
        groups: Images of one group show the same picture, or the same patient, [images].
        labels: Class indices, [images].
        styles: Digests of the images that gave their style, empty where none did, [images].
        asked: Whether there is an answer, [images, changes], in the order of `CHANGES`.
        probabilities: [images, changes, classes]; NaN where there is no answer.
        flagged: Whether the model refers the image, or takes it for foreign, [images, changes].
        baseline: The baseline's probabilities, if it was asked.
    """

    sha256: Names
    groups: Names
    labels: npt.NDArray[np.int64]
    styles: Names
    asked: Flags
    probabilities: Floats
    flagged: Flags
    baseline: Floats | None = None

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.labels)

    @cached_property
    def right(self) -> Flags:
        """Where the likeliest class is the true one, [images, changes]."""
        return self._right(self.probabilities)

    @cached_property
    def baseline_right(self) -> Flags | None:
        """The same of the baseline."""
        return None if self.baseline is None else self._right(self.baseline)

    @cached_property
    def confidently_wrong(self) -> Flags:
        """Where the answer is wrong, sure (`SURE`) and not flagged, [images, changes]."""
        sure = _filled(self.probabilities).max(2) >= SURE
        return np.asarray(self.asked & ~self.right & sure & ~self.flagged)

    def not_called(self, index: int) -> Flags:
        """Where another class is the likeliest, [images, changes].

        Args:
            index: The class's.
        """
        finite = np.isfinite(self.probabilities).all(2)
        return np.asarray(finite & (_filled(self.probabilities).argmax(2) != index))

    def _right(self, probabilities: Floats) -> Flags:
        finite = np.isfinite(probabilities).all(2)
        predicted = _filled(probabilities).argmax(2)
        return np.asarray(finite & (predicted == self.labels[:, None]))


@dataclass(frozen=True)
class ChangedAnswers:
    """What models say of images that were changed.

    Attributes:
        header: What holds for all.
        splits: By name; a split without an image is not there.
    """

    header: ChangedHeader
    splits: dict[str, SplitAnswers]

    @staticmethod
    def read(folder: Path) -> "ChangedAnswers":
        """Reads an artifact.

        Args:
            folder: Where `changed_writer` wrote.
        """
        table = pq.read_table(folder / CHANGED_FILE)
        header = ChangedHeader.model_validate_json(table.schema.metadata[_HEADER])
        return answers_of(header, table.to_pylist())


def answers_of(
    header: ChangedHeader,
    rows: Sequence[Mapping[str, Any]],
    changes: Sequence[Change] = CHANGES,
) -> ChangedAnswers:
    """Arranges answers by image and change.

    Args:
        header: What holds for all.
        rows: Values by column; those of changes that are not among the known are left out.
        changes: The known ones, in their order.
    """
    known = {change.key: number for number, change in enumerate(changes)}
    splits: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if (row["change"], row["strength"]) in known:
            splits.setdefault(row["split"], []).append(row)
    found = {name: _split(header, of_split, known) for name, of_split in splits.items()}
    return ChangedAnswers(header, found)


def places(kind: Kind) -> list[int]:
    """Where the changes of a kind stand in `CHANGES`."""
    return [place for place, change in enumerate(CHANGES) if change.kind == kind]


@contextmanager
def changed_writer(
    folder: Path, header: ChangedHeader
) -> Iterator[Callable[[Sequence[Mapping[str, Any]]], None]]:
    """Opens the file, which appears under its name when all answers are there.

    Args:
        folder: An existing folder.
        header: What holds for all rows.

    Yields:
        A function that appends rows: values by column.
    """
    schema = _SCHEMA.with_metadata({_HEADER: header.model_dump_json()})
    with whole_file(folder / CHANGED_FILE) as path, pq.ParquetWriter(path, schema) as file:
        yield lambda rows: file.write_batch(pa.RecordBatch.from_pylist(list(rows), schema))


def _split(
    header: ChangedHeader,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[tuple[str, int], int],
) -> SplitAnswers:
    numbers = sorted({row["image"] for row in rows})
    order = {number: line for line, number in enumerate(numbers)}
    shape = len(numbers), len(columns)
    texts = {name: [""] * len(numbers) for name in ("sha256", "group", "style")}
    labels = np.zeros(len(numbers), np.int64)
    asked, flagged = np.zeros(shape, bool), np.zeros(shape, bool)
    answers = {
        name: np.full((*shape, len(header.classes)), np.nan)
        for name in ("probabilities", "baseline")
    }
    for row in rows:
        line, column = order[row["image"]], columns[row["change"], row["strength"]]
        labels[line] = row["class"]
        for name, values in texts.items():
            values[line] = row.get(name) or values[line]
        asked[line, column] = True
        flagged[line, column] = bool(row.get("refer")) or row.get("in_distribution") is False
        for name, values_of in answers.items():
            if row.get(name) is not None:
                values_of[line, column] = row[name]
    has_baseline = any(row.get("baseline") is not None for row in rows)
    return SplitAnswers(
        sha256=np.array(texts["sha256"], dtype=str),
        groups=np.array(texts["group"], dtype=str),
        labels=labels,
        styles=np.array(texts["style"], dtype=str),
        asked=asked,
        probabilities=answers["probabilities"],
        flagged=flagged,
        baseline=answers["baseline"] if has_baseline else None,
    )


def _filled(probabilities: Floats) -> Floats:
    """Without NaN, which no comparison may meet."""
    return np.nan_to_num(probabilities, nan=0.0)
