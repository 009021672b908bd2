"""Keeps the current directory and a script's own off the path, as PYTHONSAFEPATH does.

Python 3.10 does not know that variable. install.py copies this file into an environment of 3.10,
where site imports it at every start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import ModuleType


class SafePath:
    """Removes the entry that Python puts before all others of sys.path; finds no module itself.

    Python adds that entry after site has run and before the program begins.
    """

    def __init__(self) -> None:
        self._begin = sys.path[:2]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Is asked at every import, before all other finders, until the entry has come."""
        del name, path, target
        for index in range(1, len(sys.path)):
            if sys.path[index : index + 2] == self._begin:
                del sys.path[index - 1]
                sys.meta_path.remove(self)
                return


def activate() -> None:
    """Does so if the variable asks for it, as Python 3.11 does. Site may ask more than once."""
    wanted = os.environ.get("PYTHONSAFEPATH") and not sys.flags.ignore_environment
    if wanted and not any(isinstance(finder, SafePath) for finder in sys.meta_path):
        sys.meta_path.insert(0, SafePath())
