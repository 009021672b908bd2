"""Which files a batch is about."""

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from components.errors import UsageError, path_error
from imaging.leftovers import Leftovers, is_leftover

_LISTS = (".txt", ".lst")


def list_files(source: str, out: Path, leftovers: Leftovers | None = None) -> list[str]:
    """Lists the files that a user named, in an order that never changes.

    Args:
        source: A folder (all files below it but what systems left behind), a glob pattern (the
            same; folders that it begins with are meant as they are written where they are there), a
            `.txt` file with one path per line, or one image file.
        out: The folder of the results; what lies in it is no file of a folder or a pattern.
        leftovers: Counts what is passed over.

    Returns:
        Paths, sorted.

    Raises:
        PipelineError: There is nothing of that name, no file in it, or a folder in it cannot be
            read.
    """
    results = os.path.realpath(out)
    leftovers = leftovers or Leftovers()
    if os.path.isdir(source):  # noqa: PTH112 - False, too, for what no disk could hold
        found = leftovers.files(source, _unreadable, without=results)
    elif os.path.isfile(source):  # noqa: PTH113 - a pattern is no Path
        found = iter(_listed(Path(source)) if source.endswith(_LISTS) else [source])
    elif glob.has_magic(source):
        found = _matching(source, results, leftovers)
    else:
        raise UsageError(
            f"There is no {source}: give a folder, a glob pattern in quotes, or a .txt file with a "
            "path per line."
        )
    files = sorted(found)
    if not files:
        raise UsageError(f"There is no file in {source} outside of {out}: name a folder of images.")
    return files


def digest(files: Sequence[str]) -> str:
    """A digest of a listing: the names, not what is in the files."""
    return hashlib.sha256(b"\0".join(map(os.fsencode, files))).hexdigest()


def _unreadable(error: OSError) -> None:
    raise path_error(error)(
        f"The folder {error.filename} cannot be read: {error.strerror}."
    ) from error


def _matching(pattern: str, results: str, leftovers: Leftovers) -> Iterator[str]:
    # Above the first wildcard the user has named every folder: one called `w [4]` is no wildcard.
    parts = Path(pattern).parts
    above = next(
        (n for n in range(len(parts)) if not os.path.lexists(Path(*parts[: n + 1]))), len(parts)
    )
    pattern = str(Path(glob.escape(str(Path(*parts[:above]))), *parts[above:]))

    @cache
    def is_among_results(place: str) -> bool:
        return Path(os.path.realpath(place)).is_relative_to(results)

    @cache
    def is_in_leftovers(place: str) -> bool:
        return any(is_leftover(part, folder=True) for part in Path(place).parts[above:])

    for name in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - a pattern is no Path
        place, file = os.path.split(name)
        if os.path.isdir(name) or is_among_results(place) or is_in_leftovers(place):  # noqa: PTH112 - millions of names
            continue
        if not leftovers.passes_over(file):
            yield name


def _listed(path: Path) -> list[str]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise path_error(error)(f"The list {path} cannot be read: {error.strerror}.") from error
    return [os.fsdecode(line) for line in lines if line.strip()]
