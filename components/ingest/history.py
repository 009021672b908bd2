"""What earlier ingestions decided, kept so that no image changes sides as new data come in."""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.compared import Compared
from components.ingest.patients import Links
from imaging.identity import PATIENT
from imaging.signature import SIGNATURE_SHAPE

HISTORY_FILE = "history.parquet"
EARLIER_SALT = "before"
"""Stands for the salt of patients that an earlier version hashed, in another way than today's."""

ROWS_AT_ONCE = 1024
"""Images whose signatures are copied at a time."""
_COLUMNS = pa.schema(
    [
        ("picture", pa.string()),
        ("links", pa.list_(pa.string())),
        ("split", pa.string()),
        ("signature", pa.binary()),
    ]
)


@dataclass(frozen=True)
class History:
    """The images that were assigned to a side so far; no pixels, no names.

    Attributes:
        pictures: Digests of the decoded pixels.
        links: What each may be linked to others by, see `components.ingest.patients`.
        splits: `train`, `eval` or `test`.
        signatures: int8 [images, 80, 80].
        compared: What was found among these images, and among others of the last ingestion.
    """

    pictures: tuple[str, ...]
    links: tuple[Links, ...]
    splits: tuple[str, ...]
    signatures: np.ndarray[Any, np.dtype[np.int8]]
    compared: Compared = field(default_factory=Compared.nothing)

    @staticmethod
    def empty() -> "History":
        """No image."""
        return History((), (), (), np.zeros((0, *SIGNATURE_SHAPE), np.int8))

    def without(self, pictures: Collection[str]) -> "History":
        """The images whose pictures are not among the given ones."""
        known = set(pictures)
        return self._take([i for i, picture in enumerate(self.pictures) if picture not in known])

    def splits_by_picture(self) -> dict[str, str]:
        """Split by digest of the pixels."""
        return dict(zip(self.pictures, self.splits, strict=True))

    def links_by_picture(self) -> dict[str, Links]:
        """Links by digest of the pixels: of all images that have these."""
        found: dict[str, Links] = {}
        for picture, links in zip(self.pictures, self.links, strict=True):
            found[picture] = tuple(dict.fromkeys((*found.get(picture, ()), *links)))
        return found

    def write(self, folder: Path) -> None:
        """Writes the history into a folder."""
        with HistoryWriter(folder) as writer:
            writer.add(self)
        self.compared.write(folder)

    @staticmethod
    def read(folder: Path) -> "History":
        """Reads what `write` wrote."""
        file = pq.ParquetFile(folder / HISTORY_FILE)
        column = "links" if "links" in file.schema_arrow.names else "patient"
        table = file.read(["picture", column, "split"])
        signatures = np.empty((table.num_rows, *SIGNATURE_SHAPE), np.int8)
        row = 0
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=["signature"]):
            content = b"".join(batch["signature"].to_pylist())
            found = np.frombuffer(content, np.int8).reshape(-1, *SIGNATURE_SHAPE)
            signatures[row : row + len(found)] = found
            row += len(found)
        return History(
            tuple(table["picture"].to_pylist()),
            tuple(map(_links, table[column].to_pylist())),
            tuple(table["split"].to_pylist()),
            signatures,
            Compared.read(folder),
        )

    def _take(self, indices: list[int]) -> "History":
        return History(
            tuple(self.pictures[i] for i in indices),
            tuple(self.links[i] for i in indices),
            tuple(self.splits[i] for i in indices),
            self.signatures[indices],
            self.compared,
        )


def _links(written: list[str] | str | None) -> Links:
    """Links as they were written; before there were several, one named no salt."""
    if isinstance(written, str):
        return (written.replace(f"{PATIENT} ", f"{PATIENT} {EARLIER_SALT} "),)
    return tuple(written or ())


class HistoryWriter(contextlib.ExitStack):
    """Writes a history part by part, so that no signature is held twice."""

    def __init__(self, folder: Path) -> None:
        """Begins the file.

        Args:
            folder: An existing folder.
        """
        super().__init__()
        path = folder / HISTORY_FILE
        self._writer = self.enter_context(pq.ParquetWriter(path, _COLUMNS, compression="zstd"))

    def add(self, part: History) -> None:
        """Appends images."""
        for start in range(0, len(part.pictures), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            columns = (
                part.pictures[rows],
                part.links[rows],
                part.splits[rows],
                [one.tobytes() for one in part.signatures[rows]],
            )
            arrays = [pa.array(c, f.type) for c, f in zip(columns, _COLUMNS, strict=True)]
            self._writer.write_table(pa.table(arrays, _COLUMNS))
