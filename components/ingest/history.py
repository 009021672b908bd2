"""What earlier ingestions decided, kept so that no image changes sides as new data come in."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.compared import Compared
from components.ingest.duplicates import Signatures
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
        splits: `train`, `eval` or `test`; empty if an image is on none, and need not be kept.
        signatures: int8 [images, 80, 80].
        compared: What was found among these images, and among others of the last ingestion.
    """

    pictures: tuple[str, ...] = ()
    links: tuple[Links, ...] = ()
    splits: tuple[str, ...] = ()
    signatures: Signatures = field(default_factory=lambda: np.zeros((0, *SIGNATURE_SHAPE), np.int8))
    compared: Compared = field(default_factory=Compared)

    def without(self, pictures: Collection[str]) -> "History":
        """The images whose pictures are not among the given ones."""
        known = set(pictures)
        rows = [row for row, picture in enumerate(self.pictures) if picture not in known]
        return History(
            tuple(self.pictures[row] for row in rows),
            tuple(self.links[row] for row in rows),
            tuple(self.splits[row] for row in rows),
            self.signatures[rows],
            self.compared,
        )

    def splits_by_picture(self) -> dict[str, str]:
        """Split by digest of the pixels."""
        return dict(zip(self.pictures, self.splits, strict=True))

    def links_by_picture(self) -> dict[str, Links]:
        """Links by digest of the pixels: of all images that have these."""
        found: dict[str, Links] = {}
        for picture, links in zip(self.pictures, self.links, strict=True):
            found[picture] = tuple(dict.fromkeys((*found.get(picture, ()), *links)))
        return found

    def write(self, folder: Path, *more: "History") -> None:
        """Writes the images that are on a side into a folder, and with them those of others."""
        with pq.ParquetWriter(folder / HISTORY_FILE, _COLUMNS, compression="zstd") as writer:
            for part in (self, *more):
                rows = [row for row, split in enumerate(part.splits) if split]
                for start in range(0, len(rows), ROWS_AT_ONCE):
                    chosen = rows[start : start + ROWS_AT_ONCE]
                    columns = {
                        "picture": [part.pictures[row] for row in chosen],
                        "links": [part.links[row] for row in chosen],
                        "split": [part.splits[row] for row in chosen],
                        "signature": [part.signatures[row].tobytes() for row in chosen],
                    }
                    writer.write_table(pa.table(columns, _COLUMNS))
        self.compared.write(folder)

    @staticmethod
    def read(folder: Path) -> "History":
        """Reads what `write` wrote."""
        file = pq.ParquetFile(folder / HISTORY_FILE)
        column = "links" if "links" in file.schema_arrow.names else "patient"
        columns = file.read(["picture", column, "split"]).to_pydict()
        batches = file.iter_batches(ROWS_AT_ONCE, columns=["signature"])
        signatures = joined((batch["signature"] for batch in batches), file.metadata.num_rows)
        return History(
            tuple(columns["picture"]),
            tuple(map(_links, columns[column])),
            tuple(columns["split"]),
            signatures,
            Compared.read(folder),
        )


def joined(columns: Iterable[Any], count: int) -> Signatures:
    """Signatures from Parquet in one array, once: they are most of what ingest holds in memory.

    Args:
        columns: Their bytes; null is no signature.
        count: How many there are in all.

    Returns:
        int8 [count, 80, 80].
    """
    signatures, row = np.empty((count, *SIGNATURE_SHAPE), np.int8), 0
    for column in columns:
        content = b"".join(column.drop_null().to_pylist())
        found = np.frombuffer(content, np.int8).reshape(-1, *SIGNATURE_SHAPE)
        signatures[row : row + len(found)] = found
        row += len(found)
    return signatures


def _links(written: list[str] | str | None) -> Links:
    """Links as they were written; before there were several, one named no salt."""
    if isinstance(written, str):
        return (written.replace(f"{PATIENT} ", f"{PATIENT} {EARLIER_SALT} "),)
    return tuple(written or ())
