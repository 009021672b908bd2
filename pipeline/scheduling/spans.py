"""Spans as they arrive in a folder, and whether they are whole."""

import errno
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from components.ingest.folder import SPAN_FOLDER

Listing = frozenset[tuple[str, int, int]]


@dataclass
class Arrivals:
    """Looks at a folder again and again.

    A span is whole when its listing (names, sizes, times) has stayed the same for some seconds of
    a clock that does not jump, and holds a file. Seconds in which it is not there do not count.

    Attributes:
        folder: The folder that spans come to.
        settle: Those seconds.
    """

    folder: Path
    settle: float
    _seen: dict[int, tuple[Listing, float]] = field(default_factory=dict)

    def present(self) -> list[int]:
        """Numbers of the spans that are there, whole or not, the lowest first.

        Raises:
            OSError: The folder cannot be listed.
        """
        seen, self._seen = self._seen, {}
        with os.scandir(self.folder) as entries:
            found = sorted(
                int(match[1])
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and (match := SPAN_FOLDER.fullmatch(entry.name))
            )
        if not os.access(self.folder, os.X_OK):  # names can be read, and nothing behind them
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))
        self._seen = {number: seen[number] for number in found if number in seen}
        return found

    def is_whole(self, number: int) -> bool:
        """Whether a span has settled; one that cannot be read is for the run to explain."""
        listing = self._listing(number)
        known = self._seen.get(number)
        now = time.monotonic()
        if known is None or known[0] != listing:
            known = self._seen[number] = (listing, now)
        return bool(listing) and now - known[1] >= self.settle

    def _listing(self, number: int) -> Listing:
        found: set[tuple[str, int, int]] = set()
        for span in self.folder.iterdir():
            match = SPAN_FOLDER.fullmatch(span.name)
            if not match or int(match[1]) != number:
                continue
            if not os.access(span, os.R_OK | os.X_OK):
                found.add((span.name, -1, 0))
            for path in span.rglob("*"):
                try:
                    facts = path.lstat()
                except OSError:
                    continue
                if not path.is_dir():
                    found.add((str(path), facts.st_size, facts.st_mtime_ns))
        return frozenset(found)
