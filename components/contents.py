"""What is in files, by digest. Content decides what is done again; times only save the reading."""

import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import PipelineError
from components.progress import told
from components.whole_file import whole_file
from imaging.picture import ReadFailedError, RejectedImageError, StorageGoneError
from imaging.reader import file_digest

_LOG = logging.getLogger(__name__)
_AT_ONCE = 32
"""Files that a thread takes: handing over a small one alone takes as long as reading it."""
_SETTLED = 2_000_000_000
"""Nanoseconds after which a file's times tell of each change: the coarsest clock of a file system
that is in use ticks every two seconds, and within a tick a file may change unseen."""
_UNREAD = "unread: "
_STAMP = ("device", "inode", "size", "modified", "changed")
_COLUMNS = pa.schema(
    [("path", pa.binary()), *((name, pa.uint64()) for name in _STAMP), ("digest", pa.string())]
)

Stamp = tuple[int, ...]
"""What a file system says of a file without its being read: one value for each of `_STAMP`."""


def read_digests(
    paths: Sequence[str], limit: int, known: Path | None = None, *, step: str = "reading"
) -> list[str]:
    """Digests what files hold.

    Args:
        paths: The files.
        limit: The most bytes that one may have.
        known: A file that remembers digests, so that only files whose times or sizes have changed
            are read; made anew where it is missing or damaged. None to read all.
        step: What is logged that this is good for.

    Returns:
        For each file the sha256 of its bytes, or words that say why it cannot be read: no digest.

    Raises:
        PipelineError: This machine could not read one now, which says nothing of the file.
    """
    began = time.time_ns()
    before = _read(known) if known else {}
    stamps = {path: _stamp(path) for path in paths}
    after = {
        path: before[path]
        for path, stamp in stamps.items()
        if path in before and before[path][0] == stamp and stamp[_STAMP.index("size")] <= limit
    }
    unread = [path for path in stamps if path not in after]
    digests = {path: digest for path, (_, digest) in after.items()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = [unread[start : start + _AT_ONCE] for start in range(0, len(unread), _AT_ONCE)]
        done = pool.map(lambda part: [_digest(path, limit) for path in part], parts)
        found = chain.from_iterable(done)
        for path, digest in zip(unread, told(found, len(unread), step), strict=True):
            digests[path] = digest
            stamp = stamps[path]
            if (
                stamp is not None
                and stamp[-1] + _SETTLED < began
                and is_digest(digest)
                and _stamp(path) == stamp
            ):
                after[path] = stamp, digest
    if known and after != before:
        _write(known, after)
    return [digests[path] for path in paths]


def is_digest(found: str) -> bool:
    """Whether `read_digests` could read a file."""
    return not found.startswith(_UNREAD)


def read_failed(error: ReadFailedError, path: str | None = None) -> PipelineError:
    """What to say where this machine could not read a file.

    Args:
        error: The reader's.
        path: The file.

    Returns:
        A sentence that says what to do.
    """
    if isinstance(error, StorageGoneError):
        return PipelineError(
            f"The storage of the images became unavailable while they were read ({error}): run "
            "again when it is back."
        )
    return PipelineError(
        f"This machine could not read {path or 'a file'} ({error}), which does not mean that the "
        "file is bad: correct that and run again, or remove the file."
    )


def _digest(path: str, limit: int) -> str:
    try:
        return file_digest(path, limit)
    except RejectedImageError as rejection:
        return f"{_UNREAD}{rejection}"
    except ReadFailedError as error:
        raise read_failed(error, path) from error


def _stamp(path: str) -> Stamp | None:
    # A plain string: there may be a million.
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    # As unsigned numbers, which some file systems' are and times before 1970 are not.
    times = (status.st_mtime_ns % 2**64, status.st_ctime_ns % 2**64)
    return status.st_dev, status.st_ino, status.st_size, *times


def _read(known: Path) -> dict[str, tuple[Stamp, str]]:
    try:
        table = pq.read_table(known, schema=_COLUMNS, page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException):  # it only saves time
        return {}
    columns = [table[name].to_pylist() for name in _COLUMNS.names]
    return {
        os.fsdecode(path): (tuple(stamp), digest)
        for path, *stamp, digest in zip(*columns, strict=True)
    }


def _write(known: Path, entries: dict[str, tuple[Stamp, str]]) -> None:
    rows = [(os.fsencode(path), *stamp, digest) for path, (stamp, digest) in entries.items()]
    columns = zip(*rows, strict=True) if rows else [()] * len(_COLUMNS)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, _COLUMNS, strict=True)]
    try:
        known.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(known) as unfinished:
            pq.write_table(pa.table(arrays, _COLUMNS), unfinished, write_page_checksum=True)
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
    except OSError as error:
        _LOG.warning("digests are not kept for the next run: %s", error.strerror)
