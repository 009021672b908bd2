"""Which files a batch is about."""

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.errors import PipelineError

_LISTS = (".txt", ".lst")


def list_files(source: str, out: Path) -> list[str]:
    """Lists the files that a user named, in an order that never changes.

    Args:
        source: A folder (all files below it whose names, and whose folders', begin with no dot), a
            glob pattern, a `.txt` file with a path a line, or one image file.
        out: The folder of the results; what lies in it is left out.

    Returns:
        Paths, sorted.

    Raises:
        PipelineError: There is nothing of that name, or no file in it.
    """
    if os.path.isdir(source):  # noqa: PTH112 - False, too, for what no disk could hold
        found = _below(source, out.absolute())
    elif os.path.isfile(source):  # noqa: PTH113 - a pattern is no Path
        found = iter(_listed(Path(source)) if source.endswith(_LISTS) else [source])
    elif glob.has_magic(source):
        found = (name for name in glob.iglob(source, recursive=True) if not os.path.isdir(name))  # noqa: PTH112, PTH207
    else:
        raise PipelineError(
            f"There is no {source}: give a folder, a glob pattern in quotes, or a .txt file with a "
            "path a line."
        )
    files = sorted(found)
    if not files:
        raise PipelineError(f"There is no file in {source}: name a folder of images.")
    return files


def digest(files: Sequence[str]) -> str:
    """A digest of a listing: the names, not what is in the files."""
    return hashlib.sha256(b"\0".join(map(os.fsencode, files))).hexdigest()


def _below(folder: str, out: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders
            if not name.startswith(".") and Path(place, name).absolute() != out
        ]  # fmt: skip
        yield from (os.path.join(place, name) for name in names if not name.startswith("."))  # noqa: PTH118 - millions of names


def _listed(path: Path) -> list[str]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise PipelineError(f"The list {path} cannot be read: {error.strerror}.") from error
    return [os.fsdecode(line) for line in lines if line.strip()]
