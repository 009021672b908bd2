"""Files whose names only ever hold all of them."""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = re.compile(r"\.unfinished-[0-9a-f]{8}-.+", re.DOTALL)
"""Names of files that are being written, or that a process was writing when it was killed."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a hidden name beside a file; what is written there takes the file's name at the end.

    Args:
        path: The file, new or to be replaced.

    Yields:
        Where to write; the suffix is the file's own.

    Raises:
        OSError: It cannot be written; what was there before is left as it was.
    """
    unfinished = path.with_name(f".unfinished-{secrets.token_hex(4)}-{path.name}")
    with writing_in(path.parent):
        try:
            yield unfinished
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Holds a folder, beside others that do: what is unfinished in it has an owner.

    Where the file system has no locks, nobody can find that out, and nothing is held.

    Args:
        folder: The folder.
    """
    held = None
    with suppress(OSError):
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def is_written_in(folder: Path) -> bool:
    """Whether some process is writing in a folder, or that cannot be told."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return True
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(held)
    return False
