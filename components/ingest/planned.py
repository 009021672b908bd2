"""What ingest's workers are told: files to look at, and images whose Examples are to be written."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from components.ingest.folder import FoundFile
from components.ingest.records import ImageRecord

# Names of files need not be text, so they are bytes here.
_TEXTS = ("path", "name", "label", "folder_split", "content")
_NUMBERS = ("span", "size")
_FILES = pa.schema(
    [
        ("number", pa.int64()),
        *((name, pa.binary()) for name in _TEXTS),
        *((name, pa.int64()) for name in _NUMBERS),
    ]
)
_IMAGES = pa.schema(
    [
        ("shard", pa.binary()),
        ("record", pa.string()),
        ("group", pa.string()),
        ("seen", pa.bool_()),
    ]
)


class Chosen(NamedTuple):
    """An image whose Example is to be written.

    Attributes:
        record: What is known of it.
        group: Images of one group show the same picture, or the same patient.
        seen: Whether it is a test image with a match in the original training folder.
    """

    record: ImageRecord
    group: str
    seen: bool


def files_to_look_at(first: int, files: Sequence[FoundFile]) -> pa.Table:
    """A part of a plan.

    Args:
        first: The number of the first file in the listing.
        files: It and those after it.

    Returns:
        A row a file.
    """
    columns = {
        "number": range(first, first + len(files)),
        **{name: [os.fsencode(getattr(file, name)) for file in files] for name in _TEXTS},
        **{name: [getattr(file, name) for file in files] for name in _NUMBERS},
    }
    return pa.table(columns, _FILES)


def looked_at(part: pa.Table) -> tuple[int, list[FoundFile]]:
    """Reads what `files_to_look_at` made."""
    texts = (map(os.fsdecode, part[name].to_pylist()) for name in _TEXTS)
    numbers = (part[name].to_pylist() for name in _NUMBERS)
    rows = zip(*texts, *numbers, strict=True)
    files = [FoundFile(**dict(zip((*_TEXTS, *_NUMBERS), row, strict=True))) for row in rows]
    return part["number"][0].as_py(), files


def images_to_write(shard: Path, images: Sequence[Chosen]) -> pa.Table:
    """A part of a plan.

    Args:
        shard: The file that gets their Examples.
        images: At least one.

    Returns:
        A row an image.
    """
    rows = [[os.fsencode(shard), one.record.to_json(), one.group, one.seen] for one in images]
    return pa.table(list(map(list, zip(*rows, strict=True))), _IMAGES)


def written(part: pa.Table) -> tuple[Path, list[Chosen]]:
    """Reads what `images_to_write` made."""
    columns = (part[name].to_pylist() for name in ("record", "group", "seen"))
    images = [
        Chosen(ImageRecord.from_json(record), group, seen)
        for record, group, seen in zip(*columns, strict=True)
    ]
    return Path(os.fsdecode(part["shard"][0].as_py())), images
