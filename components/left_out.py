"""Imports that do without packages that they would load for nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _NotInstalled:
    """A finder of modules that says of some packages that they are not there."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, name: str, *_: object) -> None:
        """Python asks this before it looks for a module that is not loaded yet."""
        if name in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def left_out(*names: str) -> Iterator[None]:
    """Lets imports of packages fail, as where they are not installed.

    Args:
        names: The packages; those that are loaded already stay.
    """
    finder = _NotInstalled(*names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
