"""Which folder on the way to a file is that of its class."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

_HEALTHY = re.compile(
    r"(no|non|not)[ _-]?(tum|lesion)|no(ne)?$|no[ _-]|healthy|normal|negative|control|without"
)


def means_healthy(name: str) -> bool:
    """Whether a class of this name has no tumour, such as `no_tumor`, `healthy` or `normal`.

    Args:
        name: The name of a class.
    """
    return _HEALTHY.match(name.casefold()) is not None


def nearest_class(name: str, classes: Collection[str]) -> str | None:
    """Finds the class that a file lies in, at whatever depth.

    Args:
        name: The file's path below the data folder, with forward slashes.
        classes: Names of classes, in Unicode's composed form.

    Returns:
        The name of the nearest folder above the file that is called like a class, or None.
    """
    return next((folder for folder in _folders(name) if folder in classes), None)


def inner_classes(files: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Finds folders that may be the classes, inside those that were taken for classes.

    A data folder may hold a folder for each hospital or patient, and the classes in these.

    Args:
        files: Paths of files below the data folder, and the name of the class folder of each.

    Returns:
        The sorted names of two or more folders, if every file lies in one of them and each of them
        is in several class folders; of several such levels the one with the fewest names. Empty if
        there is none, or if a class folder is called like one without a tumour.
    """
    levels: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    depth: int | None = None
    for name, label in files:
        inside = _inside(name, label)
        depth = len(inside) if depth is None else min(depth, len(inside))
        for level, folder in enumerate(inside[:depth]):
            levels[level][folder].add(label)
    complete = [names for level, names in levels.items() if level < (depth or 0)]
    labels = {label for names in complete for around in names.values() for label in around}
    if any(map(means_healthy, labels)):
        return ()
    shared = [
        sorted(names)
        for names in complete
        if len(names) > 1 and all(len(around) > 1 for around in names.values())
    ]
    fewest = min(shared, key=len) if shared else []
    return tuple(fewest)


def _inside(name: str, label: str) -> list[str]:
    """The folders between a file's class folder and the file, the outermost first."""
    folders = list(_folders(name))[::-1]
    return folders[folders.index(label) + 1 :] if label in folders else []


def _folders(name: str) -> Iterator[str]:
    """The names of the folders that a file lies in, the nearest first."""
    return reversed(unicodedata.normalize("NFC", name).split("/")[:-1])
