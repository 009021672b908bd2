"""Which side each image of an ingestion stood on: what a model that was trained on it has seen."""

from dataclasses import dataclass
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
        columns = dict(zip(_COLUMNS.names, vars(self).values(), strict=True))
        pq.write_table(pa.table(columns, _COLUMNS), folder / SIDES_FILE, compression="zstd")

    @staticmethod
    def read(folder: Path) -> "Sides":
        """Reads what `write` wrote.

        Raises:
            FileNotFoundError: It is gone, or of a version that did not write it.
        """
        with (folder / SIDES_FILE).open("rb") as file:
            pictures, links, groups, splits = pq.read_table(file).to_pydict().values()
        return Sides(tuple(pictures), tuple(map(tuple, links)), tuple(groups), tuple(splits))
