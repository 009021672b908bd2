"""Versions of a served model: whole numbers that only grow, as TensorFlow Serving wants them."""

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path


def pushed_versions(base: Path) -> list[int]:
    """The versions that are there.

    Args:
        base: The folder that holds them.

    Returns:
        Their numbers, the lowest first.
    """
    if not base.is_dir():
        return []
    return sorted(int(path.name) for path in base.iterdir() if path.name.isdigit())


def next_version(base: Path, made: int) -> int:
    """The version that a model gets, so that it is the highest and so the one that is served.

    Args:
        base: The folder that holds the versions.
        made: The second since 1970 that it would be named after.

    Returns:
        That second, or one more than the highest version.
    """
    return max([made, *(version + 1 for version in pushed_versions(base))])


def copy_whole(
    source: Path,
    destination: Path,
    complete: Callable[[Path], None],
    announce: Callable[[], None] = lambda: None,
) -> None:
    """Copies a folder so that its destination name only ever holds all of it.

    Args:
        source: An existing folder.
        destination: A name that does not exist yet.
        complete: Called with the copy before it gets its name, to add what belongs in it.
        announce: Called when all but the name is on disk: where it fails, the name never appears.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    # TensorFlow Serving passes over names that are no integers.
    unfinished = destination.parent / f".{destination.name}.{uuid.uuid4().hex}"
    try:
        shutil.copytree(source, unfinished)
        complete(unfinished)
        for file in unfinished.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        announce()
        unfinished.rename(destination)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
