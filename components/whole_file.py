"""Files whose names only ever hold all of them."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
