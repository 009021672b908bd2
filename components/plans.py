"""What there is to do, in files: a job's graph holds their paths, however much it is."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from components.whole_file import whole_file

PARTS = 256
"""Parts in one file; each costs some bytes of what a worker reads before it reads a part."""

Place: TypeAlias = tuple[str, int]
"""A file of a plan, and the number of a part in it."""


def write_plan(folder: Path, name: str, parts: Iterable[pa.Table]) -> list[Path]:
    """Writes what there is to do.

    Args:
        folder: An existing folder that every worker reaches.
        name: What the files' names begin with.
        parts: What a worker does at once, each with at least one row, all with the same columns;
            taken one after the other.

    Returns:
        Parquet files, whose row groups are the parts; none if there is nothing to do.

    Raises:
        OSError: There is no room.
    """
    files: list[Path] = []
    left = iter(parts)
    while some := list(islice(left, PARTS)):
        path = folder / f"{name}-{len(files):05}.parquet"
        with whole_file(path) as unfinished, pq.ParquetWriter(unfinished, some[0].schema) as writer:
            for part in some:
                writer.write_table(part, row_group_size=part.num_rows)
        files.append(path)
    return files


class Parts(beam.PTransform):
    """The places of a plan's parts, spread over the workers."""

    def __init__(self, plan: Sequence[Path]) -> None:
        """Names the plan.

        Args:
            plan: What `write_plan` gave.
        """
        super().__init__()
        self._files = [str(path) for path in plan]

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Adds the steps to a pipeline; `read_part` reads the places that come out."""
        return (
            begin
            | "Files" >> beam.Create(self._files, reshuffle=False)
            | "Parts" >> beam.FlatMap(_places)
            | "Spread" >> beam.Reshuffle()
        )


def read_part(place: Place) -> pa.Table:
    """Reads one part of a plan, with the columns that it was written with."""
    file, number = place
    with pq.ParquetFile(file) as plan:
        return plan.read_row_group(number)


def _places(file: str) -> Iterator[Place]:
    with pq.ParquetFile(file) as plan:
        count = plan.num_row_groups
    for number in range(count):
        yield file, number
