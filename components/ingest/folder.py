"""What is in a folder of images: spans, the splits that images came in, and class folders.

Three layouts are known: `Training/` and `Testing/`, or `train/`, `val/` and `test/`, each holding
one folder a class; or class folders alone. A data folder has one of them, or holds `span-NNN`
folders that do. With a table of labels files may lie anywhere. What systems leave in folders is
passed over everywhere.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.errors import PipelineError
from components.ingest.labels import Labels
from components.ingest.split_names import SPLIT_OF, SPLITS
from imaging.leftovers import Leftovers, is_leftover

__all__ = ["SPAN_FOLDER", "SPLITS", "FoundFile", "ImageFolder", "list_images"]

SPAN_FOLDER = re.compile(r"span-(\d{1,9})")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file in a class folder, or one that a table of labels may name.

    Attributes:
        path: Where it is.
        name: Its path below the data folder, with forward slashes.
        label: The name of its class folder, in Unicode's composed form, or what the table says of
            its path; empty where the table may know its study or patient.
        folder_split: `train`, `eval` or `test` by the folder that it came in, or by the table.
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
        files: Every file in a class folder, or that the table of labels may name; sorted by name.
        classes: Sorted names of the class folders, or the table's labels.
        spans: The spans that were listed, in order; (0,) where the folder has none.
        passed_over: Files and folders that systems left behind.
        unnamed: Files that the table of labels does not name.
        labels: The table, where it has more to say of files than their paths tell.
    """

    root: str
    files: tuple[FoundFile, ...]
    classes: tuple[str, ...]
    spans: tuple[int, ...] = (0,)
    passed_over: int = 0
    unnamed: int = 0
    labels: Labels | None = None

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


def list_images(
    root: Path, *, span: int | None = None, window: int = 1, labels: Labels | None = None
) -> ImageFolder:
    """Lists the class folders below a data folder, or all files that a table may name.

    What systems leave behind is passed over, hidden files and folders too; links to files are
    followed.

    Args:
        root: The data folder.
        span: The newest `span-NNN` folder to list; None for the newest there is.
        window: How many spans are listed, up to that one.
        labels: A table that decides instead of class folders.

    Returns:
        Its files and classes.

    Raises:
        PipelineError: The folder is missing, unreadable or empty, has fewer than two classes, or
            not the span that is asked for; or the table has wrong rows.
    """
    root = root.absolute()
    if not root.is_dir():
        raise PipelineError(f"There is no folder {root}; --data takes a folder of class folders.")
    spans = _spans(root, span, window)
    if labels is not None:
        return _list_named(root, spans, labels)
    files: list[FoundFile] = []
    classes: set[str] = set()
    leftovers = Leftovers()
    places = {root}
    for number, span_folder in spans.items():
        places.add(span_folder)
        for split_folder, split in _split_folders(span_folder).items():
            places.add(split_folder)
            for class_folder in _subfolders(split_folder):
                label = unicodedata.normalize("NFC", class_folder.name)
                classes.add(label)
                for path, name in _files(root, class_folder, leftovers):
                    if file := _found(path, name, label, split, number):
                        files.append(file)
    if len(classes) < 2:
        found = "1 class folder" if len(classes) == 1 else f"{len(classes)} class folders"
        raise PipelineError(
            f"{root} has {' '.join([found, *(f'({name})' for name in classes)])}, and a classifier "
            "needs at least two: expected Training/CLASS/*.jpg and Testing/CLASS/*.jpg, "
            "CLASS/*.jpg, or a table of labels (--labels)."
        )
    if not files:
        raise PipelineError(f"The class folders of {root} hold no file.")
    return ImageFolder(
        root=str(root),
        files=tuple(sorted(files, key=lambda file: file.name)),
        classes=tuple(sorted(classes)),
        spans=tuple(spans),
        passed_over=leftovers.count + sum(map(_leftovers_beside, places)),
    )


def _list_named(root: Path, spans: dict[int, Path], labels: Labels) -> ImageFolder:
    """Lists the files that a table of labels names, or may name by what is in them."""
    files: list[FoundFile] = []
    named: set[str] = set()
    unnamed = 0
    leftovers = Leftovers()
    for number, span_folder in spans.items():
        for path, name in _files(root, span_folder, leftovers):
            match = labels.of_path(name)
            if match is None and not labels.ids:
                unnamed += 1
                continue
            label, split = "", None
            if match is not None:
                named.add(match[0])
                label, split = match[1].label, match[1].split
            split = split or _split_by_folder(span_folder, path)
            if file := _found(path, name, label, split, number):
                files.append(file)
    labels.check(root, named)
    if not files:
        raise PipelineError(
            f"The label table {labels.source} names none of the {unnamed:,} files in {root}."
        )
    return ImageFolder(
        root=str(root),
        files=tuple(sorted(files, key=lambda file: file.name)),
        classes=labels.classes,
        spans=tuple(spans),
        passed_over=leftovers.count,
        unnamed=unnamed,
        labels=labels if labels.ids else None,
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
        if (split := SPLIT_OF.get(folder.name.lower()))
    }
    return named or {span_folder: "train"}


def _split_by_folder(span_folder: Path, path: str) -> str:
    """The split that the first folder on a file's way stands for."""
    first, *below = Path(path).relative_to(span_folder).parts
    return SPLIT_OF.get(first.lower(), "train") if below else "train"


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(
            entry
            for entry in folder.iterdir()
            if not is_leftover(entry.name, folder=True) and entry.is_dir()
        )
    except OSError as error:
        raise PipelineError(f"{folder} cannot be listed: {error.strerror}.") from error


def _leftovers_beside(folder: Path) -> int:
    """How much was left in a folder of folders, besides what is in these."""
    return sum(is_leftover(entry.name, folder=entry.is_dir()) for entry in folder.iterdir())


def _files(root: Path, folder: Path, leftovers: Leftovers) -> Iterator[tuple[str, str]]:
    """The paths of all files below a folder, and their names below the root."""
    prefix = len(str(root)) + 1
    for path in leftovers.files(folder, _refuse):
        yield path, path[prefix:].replace(os.sep, "/")


def _found(path: str, name: str, label: str, split: str, span: int) -> FoundFile | None:
    # Plain strings: a folder may hold a million files.
    try:
        status = os.stat(path)  # noqa: PTH116 - millions of names
    except OSError:  # a link to nowhere: found, and later rejected as unreadable
        try:
            status = os.lstat(path)
        except FileNotFoundError:  # gone since it was listed
            return None
    return FoundFile(
        path=path,
        name=name,
        label=label,
        folder_split=split,
        span=span,
        size=status.st_size,
        modified=status.st_mtime_ns,
    )


def _refuse(error: OSError) -> None:
    raise PipelineError(f"{error.filename} cannot be listed: {error.strerror}.") from error
