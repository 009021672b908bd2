"""What is in a folder of images: spans, the splits that images came in, and class folders.

Three layouts are known: `Training/` and `Testing/`, or `train/`, `val/` and `test/`, each holding
one folder a class; or class folders alone. A data folder has one of them, or holds `span-NNN`
folders that do.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.errors import PipelineError

SPLITS = ("train", "eval", "test")

_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "eval",
    "valid": "eval",
    "validation": "eval",
    "eval": "eval",
    "test": "test",
    "testing": "test",
}
SPAN_FOLDER = re.compile(r"span-(\d{1,9})")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file in a class folder.

    Attributes:
        path: Where it is.
        name: Its path below the data folder, with forward slashes.
        label: The name of its class folder, in Unicode's composed form.
        folder_split: `train`, `eval` or `test` by the folder that it came in.
        span: The number of its span folder, 0 without one.
        size: Bytes.
        modified: Modification time in nanoseconds.
    """

    path: str
    name: str
    label: str
    folder_split: str
    span: int
    size: int
    modified: int


@dataclass(frozen=True)
class ImageFolder:
    """The listing of a data folder.

    Attributes:
        root: The folder.
        files: Every file in a class folder, sorted by name.
        classes: Sorted names of the class folders.
        spans: The spans that were listed, in order; (0,) where the folder has none.
    """

    root: str
    files: tuple[FoundFile, ...]
    classes: tuple[str, ...]
    spans: tuple[int, ...] = (0,)

    @property
    def name(self) -> str:
        """The data folder's own name."""
        return Path(self.root).name

    @property
    def fingerprint(self) -> str:
        """A digest of names, sizes and modification times: the same listing, the same digest."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(os.fsencode(f"{file.name}\0{file.size}\0{file.modified}\0"))
        return digest.hexdigest()


def list_images(root: Path, *, span: int | None = None, window: int = 1) -> ImageFolder:
    """Lists the class folders below a data folder.

    Hidden files and folders (a leading dot) are passed over, links to files are followed.

    Args:
        root: The data folder.
        span: The newest `span-NNN` folder to list; None for the newest there is.
        window: How many spans are listed, up to that one.

    Returns:
        Its files and classes.

    Raises:
        PipelineError: The folder is missing, unreadable or empty, has fewer than two classes, or
            not the span that is asked for.
    """
    root = root.absolute()
    if not root.is_dir():
        raise PipelineError(f"There is no folder {root}; --data takes a folder of class folders.")
    files: list[FoundFile] = []
    classes: set[str] = set()
    spans = _spans(root, span, window)
    for number, span_folder in spans.items():
        for split_folder, split in _split_folders(span_folder).items():
            for class_folder in _subfolders(split_folder):
                label = unicodedata.normalize("NFC", class_folder.name)
                classes.add(label)
                files.extend(_files(root, class_folder, label, split, number))
    if len(classes) < 2:
        found = "1 class folder" if len(classes) == 1 else f"{len(classes)} class folders"
        raise PipelineError(
            f"{root} has {' '.join([found, *(f'({name})' for name in classes)])}, and a classifier "
            "needs at least two: expected Training/CLASS/*.jpg and Testing/CLASS/*.jpg, or "
            "CLASS/*.jpg."
        )
    if not files:
        raise PipelineError(f"The class folders of {root} hold no file.")
    return ImageFolder(
        root=str(root),
        files=tuple(sorted(files, key=lambda file: file.name)),
        classes=tuple(sorted(classes)),
        spans=tuple(spans),
    )


def _spans(root: Path, newest: int | None, window: int) -> dict[int, Path]:
    """The span folders to list by number, in order; the root itself where it has none."""
    found = {
        int(match[1]): folder
        for folder in _subfolders(root)
        if (match := SPAN_FOLDER.fullmatch(folder.name))
    }
    if not found and newest is None:
        return {0: root}
    newest = max(found) if newest is None else newest
    if newest not in found:
        there = f"it has {', '.join(map(str, sorted(found)))}" if found else "it has none"
        raise PipelineError(
            f"{root} has no folder span-{newest:03}; {there}. Choose one with --span."
        )
    listed = [number for number in sorted(found) if number <= newest][-window:]
    return {number: found[number] for number in listed}


def _split_folders(span_folder: Path) -> dict[Path, str]:
    """Folders that hold class folders, with the split that each stands for."""
    named = {
        folder: split
        for folder in _subfolders(span_folder)
        if (split := _SPLIT_FOLDERS.get(folder.name.lower()))
    }
    return named or {span_folder: "train"}


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(
            entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
        )
    except OSError as error:
        raise PipelineError(f"{folder} cannot be listed: {error.strerror}.") from error


def _files(
    root: Path, class_folder: Path, label: str, split: str, span: int
) -> Iterator[FoundFile]:
    prefix = len(str(root)) + 1
    for folder, subfolders, names in os.walk(class_folder, onerror=_refuse):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names:
            if name.startswith("."):
                continue
            # Plain strings: a folder may hold a million files.
            path = os.path.join(folder, name)  # noqa: PTH118 - millions of names
            try:
                status = os.stat(path)  # noqa: PTH116
            except OSError:  # a link to nowhere: found, and later rejected as unreadable
                try:
                    status = os.lstat(path)
                except FileNotFoundError:  # gone since it was listed
                    continue
            yield FoundFile(
                path=path,
                name=path[prefix:].replace(os.sep, "/"),
                label=label,
                folder_split=split,
                span=span,
                size=status.st_size,
                modified=status.st_mtime_ns,
            )


def _refuse(error: OSError) -> None:
    raise PipelineError(f"{error.filename} cannot be listed: {error.strerror}.") from error
