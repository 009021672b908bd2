"""Spans as they arrive in a folder, and whether they are whole."""

import errno
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from components.ingest.folder import number_spans

_LINKED = 2
"""How deep in a span links to folders are followed: split and class folders are, by ingest, too."""

Listing = frozenset[tuple[str, int, int]]


@dataclass
class Arrivals:
    """Looks at a folder again and again.

    A span is whole when its listing (names, sizes, times) has stayed the same for some seconds of
    a clock that does not jump, and holds a file. Seconds in which it is not there do not count.
    Links are followed: what is read is what they lead to.

    Attributes:
        folder: The folder that spans come to.
        settle: Those seconds.
    """

    folder: Path
    settle: float
    _seen: dict[int, tuple[Listing, float]] = field(default_factory=dict)
    _spans: dict[int, Path] = field(default_factory=dict)

    def present(self) -> list[int]:
        """Numbers of the spans that are there, whole or not, the lowest first.

        Raises:
            OSError: The folder cannot be listed.
            PipelineError: Two spans have the same number.
        """
        seen, self._seen = self._seen, {}
        with os.scandir(self.folder) as entries:
            paths = [Path(entry) for entry in entries]
        self._spans = number_spans(path for path in paths if _is_folder(path))
        found = sorted(self._spans)
        if not os.access(self.folder, os.X_OK):  # names can be read, and nothing behind them
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))
        self._seen = {number: seen[number] for number in found if number in seen}
        return found

    def is_there(self, number: int) -> bool:
        """Whether a span that was present still is; one that is not settles anew."""
        there = _is_folder(self._spans[number])
        if not there:
            self._seen.pop(number, None)
        return there

    def is_whole(self, number: int) -> bool:
        """Whether a span has settled; one that cannot be read is for the run to explain."""
        listing = self._listing(number)
        known = self._seen.get(number)
        now = time.monotonic()
        if known is None or known[0] != listing:
            known = self._seen[number] = (listing, now)
        return bool(listing) and now - known[1] >= self.settle

    def _listing(self, number: int) -> Listing:
        span = self._spans[number]
        found: set[tuple[str, int, int]] = set()
        if not os.access(span, os.R_OK | os.X_OK):
            found.add((span.name, -1, 0))
        for place, folders, names in os.walk(span, followlinks=True):
            if len(Path(place).relative_to(span).parts) >= _LINKED:
                folders[:] = [name for name in folders if not Path(place, name).is_symlink()]
            for name in names:
                path = os.path.join(place, name)  # noqa: PTH118 - millions of names
                with suppress(OSError):  # removed meanwhile
                    # A link that leads nowhere is for the run to explain.
                    facts = os.stat(path) if os.path.exists(path) else os.lstat(path)  # noqa: PTH110, PTH116 - millions of names
                    found.add((path, facts.st_size, facts.st_mtime_ns))
        return frozenset(found)


def _is_folder(path: Path) -> bool:
    """Whether it is a folder; not if that cannot be told."""
    return os.path.isdir(path)  # noqa: PTH112 - pathlib raises
