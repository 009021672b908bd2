"""Paths that TensorFlow and Beam would take for patterns of files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SPECIAL = frozenset("*?[]\\")


def special_in(path: Path) -> str:
    """The characters of a path that mean something in a pattern, each once."""
    return "".join(sorted(set(str(path)) & _SPECIAL))


@contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """Gives a path that leads to the same place and is not a pattern.

    TensorFlow looks for the variables of a SavedModel by a pattern, and nothing quotes it.

    Args:
        path: Where something lies that is read.

    Yields:
        The path itself, or that of a link which is there as long as the block.
    """
    if not special_in(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "link"
        link.symlink_to(path.absolute())
        yield link
