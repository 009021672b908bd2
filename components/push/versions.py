"""Versions of a served model: whole numbers that only grow, as TensorFlow Serving wants them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

_UNFINISHED = ".unfinished"


def pushed_versions(base: Path) -> list[int]:
    """The versions that are there.

    Args:
        base: The folder that holds them.

    Returns:
        Their numbers, the lowest first.
    """
    if not base.is_dir():
        return []
    names = [path.name for path in base.iterdir()]
    return sorted(int(name) for name in names if is_version(name))


def is_version(name: str) -> bool:
    """Whether a folder of this name is a version, as TensorFlow Serving sees it."""
    return name.isascii() and name.isdigit()


def next_version(base: Path, made: int) -> int:
    """The version that a model gets, so that it is the highest and so the one that is served.

    Args:
        base: The folder that holds the versions.
        made: The second since 1970 that it would be named after.

    Returns:
        That second, or one more than the highest version.
    """
    return max([made, *(version + 1 for version in pushed_versions(base))])


def stage(source: Path, destination: Path, complete: Callable[[Path], None]) -> None:
    """Copies a folder to beside a name, under one that no server reads, and on to the disk.

    Args:
        source: An existing folder.
        destination: A name that does not exist yet.
        complete: Called with the copy, to add what belongs in it.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    unfinished = staged(destination)
    # What a killed process has left.
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        shutil.copytree(source, unfinished)
        complete(unfinished)
        for file in unfinished.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
    except BaseException:
        unstage(destination)
        raise


def staged(destination: Path) -> Path:
    """Where a folder is made before it gets its name.

    Args:
        destination: The name.

    Returns:
        One beside it. TensorFlow Serving passes over names that are not integers.
    """
    return destination.with_name(f".{destination.name}{_UNFINISHED}")


def unstage(destination: Path) -> None:
    """Removes what was made before it got its name."""
    shutil.rmtree(staged(destination), ignore_errors=True)


def remove_staged(base: Path) -> None:
    """Removes all folders that never got their names, while nobody is at making one.

    Args:
        base: The folder that holds the versions.
    """
    for path in base.glob(".[0-9]*"):
        shutil.rmtree(path, ignore_errors=True)


def copy_whole(source: Path, destination: Path, complete: Callable[[Path], None]) -> None:
    """Copies a folder so that its destination name only ever holds all of it.

    Args:
        source: An existing folder.
        destination: A name that does not exist yet.
        complete: Called with the copy before it gets its name, to add what belongs in it.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    stage(source, destination, complete)
    try:
        staged(destination).rename(destination)
    except OSError:
        unstage(destination)
        raise
