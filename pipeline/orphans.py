"""What killed processes left in a work folder.

Who owns what is told by locks alone: ids of processes are given anew, and a clock may be wrong.
Whoever holds the work folder exclusively knows that no run, task, clean or decision is at work in
it; servers, pages and schedulers, which do not hold it, hold the folder that they write a file in.
"""

import os
import re
import socket
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from components.whole_file import UNFINISHED, is_written_in
from pipeline.removal import Removal
from pipeline.work import Work

_TEMPORARIES = "temporary files"
_COPIES = "unfinished copies of models"
_FILES = "unfinished files"
_SAMPLES = "unfinished samples"
_HALVES = "half removed folders"
_SOCKETS = "sockets"

_COPY = re.compile(r"\.\d+\.(unfinished|[0-9a-f]{32})")
"""Beside the versions of a served model, as `components.push.versions` names it, or once did."""
_CHECKED = ".serve_check"
"""In a model's artifact: the layout that a model server's pod reads."""
_EXECUTORS = ("executor_execution", ".temp")
"""Where TFX's executors write what they need for as long as they work, below an execution's id."""
_DRAFT = re.compile(r"\.(sample|examples-\d+)\.[a-z0-9_]{8}")
"""Beside a synthetic sample, as `samples.synthetic.sample` names it."""
_HALF = re.compile(r"\..+\.removed")
"""In the cache, and beside nodes' outputs, as `pipeline.removal` names it."""


def remove_orphans(work: Work, removal: Removal, needed: Collection[Path] = ()) -> None:
    """Removes what nobody owns; nothing is followed through a symbolic link.

    What a decision that was cut off still needs is nobody's for this: finish decisions before.

    Args:
        work: The work folder, which must be held: exclusively where something is to be removed.
        removal: What removes, or only counts.
        needed: What such decisions need, where they are not finished before.
    """
    for kind, path in sorted(_orphans(work), key=lambda found: found[1]):
        if path not in needed:
            removal.remove(kind, path)


def _orphans(work: Work) -> Iterator[tuple[str, Path]]:
    for parent, folders, files in os.walk(work.root):
        place = Path(parent)
        for name in list(folders):
            kind = _kind_of_folder(work, place, name)
            if kind is not None or (place / name).is_symlink():
                folders.remove(name)
            if kind is not None:
                yield kind, place / name
        for name in files:
            if (kind := _kind_of_file(work, place, name)) is not None:
                yield kind, place / name


def _kind_of_folder(work: Work, place: Path, name: str) -> str | None:
    if place == work.temporary:  # a run holds its copy of data from a bucket
        return None if is_written_in(place / name) else _TEMPORARIES
    if place.parent == work.serving and _COPY.fullmatch(name):
        return _COPIES
    if (place.parent.name, name) == _EXECUTORS and work.artifacts in place.parents:
        return _TEMPORARIES
    if name == _CHECKED and work.artifacts in place.parents:
        return _COPIES
    if place in (work.root, work.cache) and _DRAFT.fullmatch(name) and not is_written_in(place):
        return _SAMPLES
    if {work.cache, work.artifacts} & {*place.parents} and _HALF.fullmatch(name):
        return _HALVES
    return None


def _kind_of_file(work: Work, place: Path, name: str) -> str | None:
    if place == work.temporary:
        return _TEMPORARIES
    if UNFINISHED.fullmatch(name):
        return None if is_written_in(place) else _FILES
    return _SOCKETS if _is_dead_socket(place / name) else None


def _is_dead_socket(path: Path) -> bool:
    """Whether it is a socket that nobody listens at."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
        # By a short name: the system's limit for sockets is some hundred characters.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
