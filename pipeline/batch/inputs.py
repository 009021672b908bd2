"""Which files a batch is about."""

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from components.errors import PipelineError

_LISTS = (".txt", ".lst")


def list_files(source: str, out: Path) -> list[str]:
    """Lists the files that a user named, in an order that never changes.

    Args:
        source: A folder (all files below it whose names, and whose folders', begin with no dot), a
            glob pattern, a `.txt` file with a path a line, or one image file.
        out: The folder of the results; what lies in it is no file of a folder or a pattern.

    Returns:
        Paths, sorted.

    Raises:
        PipelineError: There is nothing of that name, no file in it, or a folder in it cannot be
            read.
    """
    results = os.path.realpath(out)
    if os.path.isdir(source):  # noqa: PTH112 - False, too, for what no disk could hold
        found = _below(source, results)
    elif os.path.isfile(source):  # noqa: PTH113 - a pattern is no Path
        found = iter(_listed(Path(source)) if source.endswith(_LISTS) else [source])
    elif glob.has_magic(source):
        found = _matching(source, results)
    else:
        raise PipelineError(
            f"There is no {source}: give a folder, a glob pattern in quotes, or a .txt file with a "
            "path a line."
        )
    files = sorted(found)
    if not files:
        raise PipelineError(
            f"There is no file in {source} outside of {out}: name a folder of images."
        )
    return files


def digest(files: Sequence[str]) -> str:
    """A digest of a listing: the names, not what is in the files."""
    return hashlib.sha256(b"\0".join(map(os.fsencode, files))).hexdigest()


def _below(folder: str, results: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [
            name for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(place, name)) != results  # noqa: PTH118 - millions of folders
        ]  # fmt: skip
        yield from (os.path.join(place, name) for name in names if not name.startswith("."))  # noqa: PTH118 - millions of names


def _unreadable(error: OSError) -> None:
    raise PipelineError(f"The folder {error.filename} cannot be read: {error.strerror}.") from error


def _matching(pattern: str, results: str) -> Iterator[str]:
    @cache
    def is_among_results(place: str) -> bool:
        return Path(os.path.realpath(place)).is_relative_to(results)

    for name in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - a pattern is no Path
        if not os.path.isdir(name) and not is_among_results(os.path.dirname(name)):  # noqa: PTH112, PTH120 - millions of names
            yield name


def _listed(path: Path) -> list[str]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise PipelineError(f"The list {path} cannot be read: {error.strerror}.") from error
    return [os.fsdecode(line) for line in lines if line.strip()]
