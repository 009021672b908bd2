"""The predictions as a Parquet file: written image by image, read as arrays."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.evaluate.predictions.slices import FEATURES, UNKNOWN, intensity
from components.strict_config import StrictConfig
from components.whole_file import whole_file

PREDICTIONS_FILE = "predictions.parquet"
FOREIGN_FILE = "foreign.parquet"

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]

_HEADER = b"predictions"
_VECTOR = pa.list_(pa.float32())
_STORED = tuple(name for name in FEATURES if name not in ("class", "intensity"))
_SCHEMA = pa.schema(
    [
        ("sha256", pa.string()),
        ("group", pa.string()),
        ("label", pa.string()),
        ("class", pa.int64()),
        ("mean", pa.float32()),
        *((name, pa.string()) for name in _STORED),
        ("probabilities", _VECTOR),
        ("uncalibrated", _VECTOR),
        ("in_distribution", pa.bool_()),
        ("ood_score", pa.float32()),
        ("refer", pa.bool_()),
        ("baseline", _VECTOR),
        ("known_to_model", pa.bool_()),
        ("known_to_baseline", pa.bool_()),
    ]
)
_FOREIGN_SCHEMA = pa.schema(
    [("kind", pa.string()), ("in_distribution", pa.bool_()), ("ood_score", pa.float32())]
)


class Header(StrictConfig):
    """What holds for all rows.

    Attributes:
        classes: Class names in the order of the probabilities.
        model_id: The model, an artifact of ML Metadata.
        missing: Outputs that the model's graph does not have.
        baseline_id: The model that it is compared with, if there is one.
        baseline_classes: That model's classes.
        baseline_problem: Why the baseline's answers are not here although there is one.
        training_unknown: Why nobody can tell which of the images the model knows from its training;
            empty where `known_to_model` says.
        baseline_unknown: The same of the baseline.
    """

    classes: tuple[str, ...]
    model_id: int
    missing: tuple[str, ...] = ()
    baseline_id: int | None = None
    baseline_classes: tuple[str, ...] | None = None
    baseline_problem: str = ""
    training_unknown: str = ""
    baseline_unknown: str = ""


@dataclass(frozen=True)
class Foreign:
    """What the model says of images that are no brain MRI.

    Attributes:
        kinds: Of each image, what it is.
        in_distribution: Whether the model takes it for one all the same.
        ood_score: How unlike the training images it is; higher is farther.
    """

    kinds: Names
    in_distribution: Flags
    ood_score: Floats


@dataclass(frozen=True)
class PredictionTable:
    """What the model says of every test image; arrays of one length.

    Attributes:
        header: What holds for all.
        sha256: Digests of the images.
        groups: Images of one group show the same picture, or the same patient.
        labels: Class indices, -1 where an image has no label.
        slices: Values by slice name, empty where unknown.
        probabilities: [images, classes], calibrated, as they are served.
        uncalibrated: The same before calibration, if the graph gives it.
        in_distribution: Whether each is taken for a brain MRI, if the graph says.
        ood_score: How unlike the training images each is, if the graph says.
        refer: Whether each is referred to a reader, if the graph says.
        baseline: The baseline's probabilities, if there are any.
        known_to_model: Whether the model was trained on a match of each.
        known_to_baseline: Whether the baseline was.
        foreign: The foreign images, if the graph says of them what they are.
    """

    header: Header
    sha256: Names
    groups: Names
    labels: npt.NDArray[np.int64]
    slices: dict[str, Names]
    probabilities: Floats
    uncalibrated: Floats | None
    in_distribution: Flags | None
    ood_score: Floats | None
    refer: Flags | None
    baseline: Floats | None
    known_to_model: Flags
    known_to_baseline: Flags
    foreign: Foreign | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.header.classes

    @property
    def new_to_both(self) -> Flags:
        """Which images neither the model nor its baseline knows from training."""
        return ~(self.known_to_model | self.known_to_baseline)

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.labels)

    def only(self, rows: Flags) -> "PredictionTable":
        """Some of the images, without the foreign ones.

        Args:
            rows: Which.
        """
        arrays: dict[str, Any] = {
            name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        slices = {name: values[rows] for name, values in self.slices.items()}
        return replace(self, **arrays, slices=slices, foreign=None)

    @staticmethod
    def read(folder: Path) -> "PredictionTable":
        """Reads an artifact.

        Args:
            folder: Where `prediction_writer` wrote.

        Returns:
            The predictions.
        """
        table = pq.read_table(folder / PREDICTIONS_FILE)
        header = Header.model_validate_json(table.schema.metadata[_HEADER])
        if "known_to_model" not in table.column_names:
            older = "an earlier version of the pipeline has asked them"
            header = header.model_copy(
                update={"training_unknown": older, "baseline_unknown": older}
            )
        labels = table["class"].fill_null(-1).to_numpy()
        slices = {name: _names(table[name].fill_null(UNKNOWN)) for name in _STORED}
        slices["class"] = np.array(
            [header.classes[label] if label >= 0 else UNKNOWN for label in labels], dtype=str
        )
        slices["intensity"] = np.array(intensity(_floats(table["mean"])), dtype=str)
        foreign = folder / FOREIGN_FILE
        return PredictionTable(
            header=header,
            sha256=_names(table["sha256"]),
            groups=_names(table["group"]),
            labels=labels,
            slices=slices,
            probabilities=_matrix(table["probabilities"], len(header.classes)),
            uncalibrated=_optional(table, "uncalibrated", header, _matrix),
            in_distribution=_optional(table, "in_distribution", header, _flags),
            ood_score=_optional(table, "ood_score", header, _floats),
            refer=_optional(table, "refer", header, _flags),
            baseline=_matrix(table["baseline"], len(header.classes))
            if header.baseline_id is not None and not header.baseline_problem
            else None,
            known_to_model=_known(table, "known_to_model"),
            known_to_baseline=_known(table, "known_to_baseline"),
            foreign=_read_foreign(foreign) if foreign.is_file() else None,
        )


class PredictionWriter:
    """Writes predictions as they come.

    Attributes:
        images: How many were written.
    """

    def __init__(self, file: pq.ParquetWriter, schema: pa.Schema) -> None:
        """Begins with none.

        Args:
            file: Where they go.
            schema: The file's.
        """
        self._file, self._schema = file, schema
        self.images = 0

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Appends rows; a key that is left out is null.

        Args:
            rows: Values by column.
        """
        columns = [pa.array([row.get(f.name) for row in rows], f.type) for f in self._schema]
        self._file.write_batch(pa.record_batch(columns, schema=self._schema))
        self.images += len(rows)


@contextmanager
def prediction_writer(folder: Path, header: Header) -> Iterator[PredictionWriter]:
    """Opens the file, which appears under its name when all predictions are there.

    Args:
        folder: An existing folder.
        header: What holds for all rows.

    Yields:
        What writes them.
    """
    schema = _SCHEMA.with_metadata({_HEADER: header.model_dump_json()})
    with whole_file(folder / PREDICTIONS_FILE) as path, pq.ParquetWriter(path, schema) as file:
        yield PredictionWriter(file, schema)


def write_foreign(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes what the model says of foreign images.

    Args:
        folder: An existing folder.
        rows: Values by column: `kind`, `in_distribution`, `ood_score`.
    """
    with whole_file(folder / FOREIGN_FILE) as file:
        pq.write_table(pa.Table.from_pylist(list(rows), _FOREIGN_SCHEMA), file)


def read_header(folder: Path) -> Header:
    """Reads what holds for all rows, and no row."""
    schema = pq.read_schema(folder / PREDICTIONS_FILE)
    return Header.model_validate(json.loads(schema.metadata[_HEADER]))


def _read_foreign(path: Path) -> Foreign:
    table = pq.read_table(path)
    return Foreign(
        _names(table["kind"]), _flags(table["in_distribution"]), _floats(table["ood_score"])
    )


def _optional(table: Any, name: str, header: Header, read: Any) -> Any:
    if name in header.missing:
        return None
    column = table[name]
    return read(column, len(header.classes)) if read is _matrix else read(column)


def _names(column: Any) -> Names:
    return np.array(column.to_pylist(), dtype=str)


def _floats(column: Any) -> Floats:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _flags(column: Any) -> Flags:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def _known(table: Any, name: str) -> Flags:
    """Whether a training knows each image; where the header says that nobody can tell, false."""
    if name not in table.column_names:
        return np.zeros(table.num_rows, bool)
    return _flags(table[name].fill_null(False))


def _matrix(column: Any, width: int) -> Floats:
    values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float64).reshape(-1, width)
