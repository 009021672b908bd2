"""What is in a folder of images: class folders, and the splits that they stand in.

Three layouts are known: `Training/` and `Testing/`, or `train/`, `val/` and `test/`, each holding
one folder a class; or class folders alone.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.errors import PipelineError

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


@dataclass(frozen=True)
class FoundFile:
    """A file in a class folder.

    Attributes:
        path: Where it is.
        name: Its path below the data folder, with forward slashes.
        label: The name of its class folder.
        folder_split: `train`, `eval` or `test` by the folder that it came in.
        size: Bytes.
        modified: Modification time in nanoseconds.
    """

    path: str
    name: str
    label: str
    folder_split: str
    size: int
    modified: int


@dataclass(frozen=True)
class ImageFolder:
    """The listing of a data folder.

    Attributes:
        root: The folder.
        files: Every file in a class folder, sorted by name.
        classes: Sorted names of the class folders; an image's class is its index here.
    """

    root: str
    files: tuple[FoundFile, ...]
    classes: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """A digest of names, sizes and modification times: the same listing, the same digest."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(os.fsencode(f"{file.name}\0{file.size}\0{file.modified}\0"))
        return digest.hexdigest()


def list_images(root: Path) -> ImageFolder:
    """Lists the class folders below a data folder.

    Hidden files and folders (a leading dot) are passed over, links to files are followed.

    Args:
        root: The data folder.

    Returns:
        Its files and classes.

    Raises:
        PipelineError: The folder is missing, unreadable, empty, or has fewer than two classes.
    """
    if not root.is_dir():
        raise PipelineError(f"There is no folder {root}; --data takes a folder of class folders.")
    splits = {
        folder: split
        for folder in _subfolders(root)
        if (split := _SPLIT_FOLDERS.get(folder.name.lower()))
    }
    files: list[FoundFile] = []
    classes: set[str] = set()
    for split_folder, split in (splits or {root: "train"}).items():
        for class_folder in _subfolders(split_folder):
            classes.add(class_folder.name)
            files.extend(_files(root, class_folder, split))
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
    )


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(
            entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
        )
    except OSError as error:
        raise PipelineError(f"{folder} cannot be listed: {error.strerror}.") from error


def _files(root: Path, class_folder: Path, split: str) -> Iterator[FoundFile]:
    for folder, subfolders, names in os.walk(class_folder, onerror=_refuse):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names:
            if name.startswith("."):
                continue
            path = Path(folder, name)
            try:
                status = path.stat()
            except OSError:
                status = path.lstat()
            yield FoundFile(
                path=str(path),
                name=path.relative_to(root).as_posix(),
                label=class_folder.name,
                folder_split=split,
                size=status.st_size,
                modified=status.st_mtime_ns,
            )


def _refuse(error: OSError) -> None:
    raise PipelineError(f"{error.filename} cannot be listed: {error.strerror}.") from error
