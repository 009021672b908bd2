"""What earlier ingestions decided, kept so that no image changes sides as new data come in."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.signature import SIGNATURE_SHAPE

HISTORY_FILE = "history.parquet"

_ROWS_AT_ONCE = 1024
_COLUMNS = pa.schema(
    [
        ("picture", pa.string()),
        ("patient", pa.string()),
        ("split", pa.string()),
        ("signature", pa.binary()),
    ]
)


@dataclass(frozen=True)
class History:
    """The images that were assigned to a side so far; no pixels, no names.

    Attributes:
        pictures: Digests of the decoded pixels.
        patients: What links images of one patient or one file, or None.
        splits: `train`, `eval` or `test`.
        signatures: int8 [images, 80, 80].
    """

    pictures: tuple[str, ...]
    patients: tuple[str | None, ...]
    splits: tuple[str, ...]
    signatures: np.ndarray[Any, np.dtype[np.int8]]

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

    def write(self, folder: Path) -> None:
        """Writes the history into a folder."""
        with pq.ParquetWriter(folder / HISTORY_FILE, _COLUMNS, compression="zstd") as writer:
            for start in range(0, len(self.pictures), _ROWS_AT_ONCE):
                rows = slice(start, start + _ROWS_AT_ONCE)
                columns = (
                    self.pictures[rows],
                    self.patients[rows],
                    self.splits[rows],
                    [one.tobytes() for one in self.signatures[rows]],
                )
                arrays = [pa.array(c, f.type) for c, f in zip(columns, _COLUMNS, strict=True)]
                writer.write_table(pa.table(arrays, _COLUMNS))

    @staticmethod
    def read(folder: Path) -> "History":
        """Reads what `write` wrote."""
        file = pq.ParquetFile(folder / HISTORY_FILE)
        table = file.read(["picture", "patient", "split"])
        signatures = np.empty((table.num_rows, *SIGNATURE_SHAPE), np.int8)
        row = 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["signature"]):
            content = b"".join(batch["signature"].to_pylist())
            found = np.frombuffer(content, np.int8).reshape(-1, *SIGNATURE_SHAPE)
            signatures[row : row + len(found)] = found
            row += len(found)
        return History(
            tuple(table["picture"].to_pylist()),
            tuple(table["patient"].to_pylist()),
            tuple(table["split"].to_pylist()),
            signatures,
        )

    def _take(self, indices: list[int]) -> "History":
        return History(
            tuple(self.pictures[i] for i in indices),
            tuple(self.patients[i] for i in indices),
            tuple(self.splits[i] for i in indices),
            self.signatures[indices],
        )
