"""Which side each image of an ingestion stood on: what a model that was trained on it has seen."""

from dataclasses import astuple, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.patients import Links

SIDES_FILE = "sides.parquet"

_COLUMNS = pa.schema(
    [
        ("picture", pa.string()),
        ("links", pa.list_(pa.string())),
        ("group", pa.string()),
        ("split", pa.string()),
    ]
)


@dataclass(frozen=True)
class Sides:
    """The images of one ingestion, those of no earlier one; no pixels, no names.

    Attributes:
        pictures: Digests of the decoded pixels.
        links: What each may be linked to others by, see `components.ingest.patients`.
        groups: Images of one group show the same picture, or the same patient.
        splits: `train`, `eval`, `test` or `excluded`.
    """

    pictures: tuple[str, ...]
    links: tuple[Links, ...]
    groups: tuple[str, ...]
    splits: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Writes them into a folder."""
        columns = [pa.array(c, f.type) for c, f in zip(astuple(self), _COLUMNS, strict=True)]
        pq.write_table(pa.table(columns, _COLUMNS), folder / SIDES_FILE, compression="zstd")

    @staticmethod
    def read(folder: Path) -> "Sides":
        """Reads what `write` wrote.

        Raises:
            FileNotFoundError: It is gone, or of a version that did not write it.
        """
        with (folder / SIDES_FILE).open("rb") as file:
            table = pq.read_table(file)
        return Sides(
            tuple(table["picture"].to_pylist()),
            tuple(map(tuple, table["links"].to_pylist())),
            tuple(table["group"].to_pylist()),
            tuple(table["split"].to_pylist()),
        )
