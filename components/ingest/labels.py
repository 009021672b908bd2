"""A table that says what files, patients or studies show, where folders do not."""

import codecs
import csv
import io
import os
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.counted import counted
from components.errors import UsageError, path_error
from components.ingest.split_names import SPLIT_OF
from imaging.identity import PATIENT, STUDY, Key, hashed

_KEYS = ("path", STUDY, PATIENT)
"""Columns that say what a row is about; where several are filled, the first counts."""
_COLUMNS = (*_KEYS, "label", "split")
_SEPARATORS = ",;\t"
_MOST_BYTES = 256_000_000
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Row:
    """What a row says.

    Attributes:
        label: The class.
        split: `train`, `eval` or `test`; None where the row leaves it open.
        line: Where it stands; rows on several lines may say the same.
    """

    label: str
    split: str | None
    line: int = field(compare=False)


@dataclass(frozen=True)
class Labels:
    """A table of labels.

    Attributes:
        source: The file.
        paths: Rows by path below the data folder, with forward slashes and in Unicode's composed
            form. A folder's row is about all files below it that have no nearer one.
        ids: Rows by `study` or `patient` and the number, which is private.
        patients: Whose a path's images are, where its row says that too; private.
        wrong: What is wrong with rows, by line.
    """

    source: Path
    paths: dict[str, Row] = field(default_factory=dict)
    ids: dict[tuple[str, str], Row] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)
    wrong: dict[int, str] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted({row.label for row in (*self.paths.values(), *self.ids.values())}))

    def of_path(self, name: str) -> tuple[str, Row] | None:
        """Finds the row about a file.

        Args:
            name: Its path below the data folder, with forward slashes.

        Returns:
            The path that the row names, and the row; None where there is none.
        """
        within = _within(unicodedata.normalize("NFC", name))
        return next(((one, row) for one in within if (row := self.paths.get(one))), None)

    def patient_of(self, name: str) -> str:
        """Whose a file's images are, by the row about its path; empty where that does not say."""
        name = unicodedata.normalize("NFC", name)
        return next((found for one in _within(name) if (found := self.patients.get(one))), "")

    def hashed(self, salt: bytes) -> dict[Key, Row]:
        """The rows about studies and patients, by salted hashes of their numbers."""
        return {hashed(kind, number, salt): row for (kind, number), row in self.ids.items()}

    def check(self, root: Path, found: Iterable[str], *, least: int = 2) -> None:
        """Refuses a table with wrong rows, all of them at once.

        Args:
            root: The data folder.
            found: Paths of rows about files that were found.
            least: How many classes it must name.

        Raises:
            PipelineError: Rows are wrong, name files that are not there, or too few classes.
        """
        wrong = dict(self.wrong)
        known = set(found)
        for name, row in self.paths.items():
            if name not in known and not os.path.lexists(root / name):
                wrong[row.line] = f"{name!r} is not in the data folder"
        if wrong:
            lines = [f"line {line}: {wrong[line]}" for line in sorted(wrong)]
            more = len(lines) - _SHOWN
            shown = lines[:_SHOWN] + ([f"and {counted(more, 'row')} more"] if more > 0 else [])
            raise UsageError(
                f"The label table {self.source} has {counted(len(lines), 'row')} that cannot be "
                "used:\n  " + "\n  ".join(shown)
            )
        if len(self.classes) < least:
            raise UsageError(
                f"The label table {self.source} names {len(self.classes)} of the classes, and "
                f"{demand_of(least)}."
            )


def demand_of(least: int) -> str:
    """Why there must be so many classes."""
    return "a classifier needs at least two" if least > 1 else "at least one is needed"


def _within(name: str) -> Iterator[str]:
    """A path, the folders that it lies in, and the data folder itself."""
    while name:
        yield name
        name = posixpath.dirname(name)
    yield "."


def read_labels(path: Path | None, classes: Sequence[str] | None = None) -> Labels | None:
    """Reads a table of labels: CSV with commas, semicolons or tabs, in UTF-8 or UTF-16.

    Args:
        path: The file; None for no table.
        classes: Labels that it may give; None for any.

    Returns:
        The table, in which single rows may be wrong; None without a file.

    Raises:
        PipelineError: The file cannot be read, is not such a table, or has other columns than
            `path`, `patient`, `study`, `label` and `split`.
    """
    if path is None:
        return None
    lines = _open(path)
    labels = Labels(path)
    try:
        reader, columns = _header(lines, path)
        line = reader.line_num + 1
        for cells in reader:
            values = [unicodedata.normalize("NFC", cell).strip() for cell in cells]
            if any(values):
                try:
                    _add(labels, columns, values, line, classes)
                except ValueError as error:
                    labels.wrong[line] = str(error)
            line = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"The label table {path} cannot be read, line {line}: {error}.") from error
    if not (labels.paths or labels.ids or labels.wrong):
        raise UsageError(f"The label table {path} has no rows below its header.")
    return labels


def _open(path: Path) -> io.StringIO:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(
                f"The label table {path} is larger than {_MOST_BYTES // 10**6} MB: it needs "
                "one line per image, patient or study, and nothing else."
            )
        content = path.read_bytes()
    except OSError as error:
        raise path_error(error)(
            f"The label table {path} cannot be read: {error.strerror}."
        ) from error
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return io.StringIO(content.decode("utf-16" if is_utf16 else "utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"The label table {path} is not text in UTF-8, line {line}: save it as CSV UTF-8."
        ) from error


def _header(lines: io.StringIO, path: Path) -> tuple[Any, list[str]]:
    """The rows behind the names of the columns, by the separator that parts these best."""
    first = lines.readline()
    separator = max(_SEPARATORS, key=first.count)
    lines.seek(0)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    columns = [name.strip().lower() for name in next(reader, [])]
    if unknown := sorted(set(columns) - set(_COLUMNS)):
        raise UsageError(
            f"The label table {path} has the column {unknown[0]!r} in line 1; known are "
            f"{', '.join(_COLUMNS)}."
        )
    if len(set(columns)) < len(columns):
        raise UsageError(f"The label table {path} has a column twice in line 1.")
    if "label" not in columns or not set(_KEYS) & set(columns):
        raise UsageError(
            f"The label table {path} needs the column label and one of {', '.join(_KEYS)} in line "
            f"1; it has {', '.join(columns) or 'none'}."
        )
    return reader, columns


def _add(
    labels: Labels,
    columns: Sequence[str],
    values: Sequence[str],
    line: int,
    classes: Sequence[str] | None,
) -> None:
    """Adds a row; ValueError says what is wrong with it."""
    if any(values[len(columns) :]):
        raise ValueError(f"{counted(len(values), 'cell')}, but {counted(len(columns), 'column')}")
    cells = dict.fromkeys(_COLUMNS, "") | dict(zip(columns, values, strict=False))
    kind = next((kind for kind in _KEYS if cells[kind]), None)
    if kind is None:
        raise ValueError(f"{' and '.join(key for key in _KEYS if key in columns)} empty")
    if not cells["label"]:
        raise ValueError("the label is empty")
    if classes is not None and cells["label"] not in classes:
        raise ValueError(f"the label {cells['label']!r} is not one of {', '.join(classes)}")
    split = SPLIT_OF.get(cells["split"].lower())
    if cells["split"] and split is None:
        raise ValueError(
            f"the split {cells['split']!r} is not one of {', '.join(sorted(SPLIT_OF))}"
        )
    row = Row(cells["label"], split, line)
    if kind == "path":
        name = _name(cells[kind])
        before = labels.paths.setdefault(name, row)
        patient = cells[PATIENT]
        if patient and labels.patients.setdefault(name, patient) != patient:
            raise ValueError("an earlier line names another patient of the same path")
    else:
        before = labels.ids.setdefault((kind, cells[kind]), row)
    if before != row:
        raise ValueError(f"line {before.line} contradicts this one about the same {kind}")


def _name(path: str) -> str:
    name = posixpath.normpath(path.replace("\\", "/"))
    if name.startswith(("/", "../")) or name == ".." or name[1:3] == ":/":
        raise ValueError("the path leads outside the data folder, to which it is relative")
    if "\0" in name:
        raise ValueError("not a path")
    return name
