"""The predictions as a Parquet file: written image by image, read as arrays."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.evaluate.predictions.slices import FEATURES, UNKNOWN, intensity
from components.servable import OPTIONAL
from components.strict_config import StrictConfig
from components.whole_file import whole_file

PREDICTIONS_FILE = "predictions.parquet"
FOREIGN_FILE = "foreign.parquet"

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]

Rows = Sequence[Mapping[str, Any]]
"""Values by column; what a row does not have is null."""

_HEADER = b"predictions"
_STORED = tuple(name for name in FEATURES if name not in ("class", "intensity"))
_COLUMNS = {
    pa.string(): ("sha256", "group", "label", "reasons", *_STORED),
    pa.int64(): ("class",),
    pa.float32(): ("mean", "ood_score", "set_level"),
    pa.bool_(): ("in_distribution", "refer", "known_to_model", "known_to_baseline"),
    pa.list_(pa.float32()): ("probabilities", "uncalibrated", "baseline"),
    pa.list_(pa.bool_()): ("prediction_set",),
}
_SCHEMA = pa.schema([(name, kind) for kind, names in _COLUMNS.items() for name in names])
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

    @property
    def by_kind(self) -> dict[str, Flags]:
        """Which images are of each kind."""
        return {str(kind): self.kinds == kind for kind in np.unique(self.kinds)}


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
        reasons: Why, in words, if the graph says.
        prediction_set: Which classes remain possible, [images, classes], if the graph says.
        set_level: How often the true class is to be among them, [images], if the graph says.
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
    reasons: Names | None
    prediction_set: Flags | None
    set_level: Floats | None
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

    def only(self, rows: Flags | npt.NDArray[np.intp]) -> "PredictionTable":
        """Some of the images, without the foreign ones.

        Args:
            rows: Which, as flags or in a new order.
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
        columns = _arrays(table, len(header.classes))
        unknown = np.full(table.num_rows, UNKNOWN)  # in predictions of an earlier version
        slices = {name: columns.get(name, unknown) for name in _STORED}
        slices["class"] = np.array([*header.classes, UNKNOWN])[columns["class"]]
        slices["intensity"] = np.array(intensity(columns["mean"]), dtype=str)
        has_baseline = header.baseline_id is not None and not header.baseline_problem
        nobody = np.zeros(table.num_rows, bool)
        return PredictionTable(
            header=header,
            sha256=columns["sha256"],
            groups=columns["group"],
            labels=columns["class"],
            slices=slices,
            probabilities=columns["probabilities"],
            **{name: None if name in header.missing else columns.get(name) for name in OPTIONAL},
            baseline=columns["baseline"] if has_baseline else None,
            known_to_model=columns.get("known_to_model", nobody),
            known_to_baseline=columns.get("known_to_baseline", nobody),
            foreign=_read_foreign(folder / FOREIGN_FILE),
        )


@contextmanager
def prediction_writer(folder: Path, header: Header) -> Iterator[Callable[[Rows], None]]:
    """Opens the file, which appears under its name when all predictions are there.

    Args:
        folder: An existing folder.
        header: What holds for all rows.

    Yields:
        A function that appends rows.
    """
    schema = _SCHEMA.with_metadata({_HEADER: header.model_dump_json()})
    with whole_file(folder / PREDICTIONS_FILE) as path, pq.ParquetWriter(path, schema) as file:
        yield lambda rows: file.write_batch(pa.RecordBatch.from_pylist(rows, schema))


def write_foreign(folder: Path, rows: Rows) -> None:
    """Writes what the model says of foreign images.

    Args:
        folder: An existing folder.
        rows: Values by column: `kind`, `in_distribution`, `ood_score`.
    """
    with whole_file(folder / FOREIGN_FILE) as file:
        pq.write_table(pa.Table.from_pylist(rows, _FOREIGN_SCHEMA), file)


def _read_foreign(file: Path) -> Foreign | None:
    if not file.is_file():
        return None
    columns = _arrays(pq.read_table(file), 0)
    return Foreign(columns["kind"], columns["in_distribution"], columns["ood_score"])


def _arrays(table: Any, classes: int) -> dict[str, Any]:
    """Columns by name; what a row does not have is empty, false, -1 or NaN."""
    return {name: _array(table[name], classes) for name in table.column_names}


def _array(column: Any, classes: int) -> Any:
    kind = column.type
    if pa.types.is_list(kind):
        values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        flags = pa.types.is_boolean(kind.value_type)
        return values.astype(bool if flags else np.float64).reshape(-1, classes)
    if pa.types.is_string(kind):
        return np.array(column.fill_null(UNKNOWN).to_pylist(), dtype=str)
    if pa.types.is_floating(kind):
        return column.to_numpy().astype(np.float64)
    return column.fill_null(False if pa.types.is_boolean(kind) else -1).to_numpy()
