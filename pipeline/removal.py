"""Removing what lies below a work folder: never through a symbolic link, and counted."""

import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Freed:
    """What was removed of one kind.

    Attributes:
        count: How many folders and files.
        size: Bytes in them.
    """

    count: int = 0
    size: int = 0


@dataclass
class Removal:
    """Removes folders, or only counts them.

    Attributes:
        root: What lies outside of this folder is left alone.
        protected: Folders that stay, with all in them and all above them.
        dry_run: Whether only to count.
        freed: What was removed, by kind.
        failures: What could not be removed, with the reason.
        links: What lies behind a symbolic link, and was left alone.
    """

    root: Path
    protected: Collection[Path] = ()
    dry_run: bool = False
    freed: dict[str, Freed] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Notes the folders above those that stay."""
        self._within = set(self.protected)
        self._above = {parent for path in self.protected for parent in path.parents}
        self._counted: dict[Path, int] = {}

    def allows(self, path: Path) -> bool:
        """Whether a path may be removed; one behind a symbolic link is noted."""
        if not path.is_relative_to(self.root) or path == self.root or ".." in path.parts:
            return False
        if path in self._above or self._within & {path, *path.parents}:
            return False
        steps = (path, *path.parents[: len(path.relative_to(self.root).parts) - 1])
        try:
            linked = any(step.is_symlink() for step in steps)
        except OSError as error:
            self.fail(error, path)
            return False
        if linked:
            self.links.append(path)
        return not linked

    def remove(self, kind: str, path: Path, *, at_once: bool = False) -> None:
        """Removes a folder that `allows` allowed, or a file.

        Args:
            kind: What it is counted as.
            path: The folder or file; nothing is done where there is none.
            at_once: Its name disappears before its content, so that no half of it is ever used.
        """
        if not os.path.lexists(path) or {path, *path.parents} & self._counted.keys():
            return
        before = _size(path)
        if self.dry_run:
            below = [size for one, size in self._counted.items() if path in one.parents]
            before -= sum(below)
            self._counted[path] = before
        left: list[Path] = []
        if not self.dry_run:
            going = path.with_name(f".{path.name.lstrip('.')}.removed") if at_once else path
            try:
                if going != path:
                    path.rename(going)
                if going.is_dir() and not going.is_symlink():
                    shutil.rmtree(going)
                else:
                    going.unlink()
            except OSError as error:
                self.fail(error, path)
            left = [one for one in {path, going} if os.path.lexists(one)]
        size = before - sum(map(_size, left))
        if left and not size:
            return
        freed = self.freed.setdefault(kind, Freed())
        freed.count += 1
        freed.size += size

    def fail(self, error: OSError, path: Path) -> None:
        """Notes what could not be looked at or removed.

        Args:
            error: Why.
            path: What, where the error does not say.
        """
        self.failures.append(f"{error.filename or path}: {error.strerror or error}")


def _size(path: Path) -> int:
    """Bytes in a folder, or of a file; links are not followed, the unreadable is not counted."""
    return sum(_file_sizes(path))


def _file_sizes(path: Path) -> Iterator[int]:
    is_folder = path.is_dir() and not path.is_symlink()
    for parent, _, names in os.walk(path) if is_folder else [(path.parent, (), (path.name,))]:
        for name in names:
            try:
                yield (Path(parent) / name).lstat().st_size
            except OSError:
                continue
