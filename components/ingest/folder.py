"""What is in a folder of images: spans, the splits that images came in, and class folders.

Three layouts are known: `Training/` and `Testing/`, or `train/`, `val/` and `test/`, each holding
one folder a class; or class folders alone. A data folder has one of them, or holds `span-NNN`
folders that do. If no folder in these places is called like a class, the classes may lie deeper,
in folders of hospitals or patients. With a table of labels files may lie anywhere. What systems
leave in folders is passed over everywhere.
"""

import errno
import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from components.contents import read_digests
from components.counted import counted
from components.errors import UsageError, path_error
from components.ingest.class_folders import inner_classes, nearest_class
from components.ingest.config import IngestConfig
from components.ingest.labels import Labels, demand_of, read_labels
from components.ingest.split_names import SPLIT_OF
from imaging.config import ReadConfig
from imaging.leftovers import Leftovers, is_leftover

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
        content: Digest of its bytes, or words that say why they cannot be read; empty where
            nobody has looked yet.
    """

    path: str
    name: str
    label: str
    folder_split: str
    span: int
    size: int
    content: str = ""


@dataclass(frozen=True)
class ImageFolder:
    """The listing of a data folder.

    Attributes:
        root: The folder, by the one path that leads there without links.
        files: Every file in a class folder, or that the table of labels may name; sorted by name.
        classes: Sorted names of the class folders, or the table's labels.
        spans: The spans that were listed, in order; (0,) where the folder has none.
        passed_over: Files and folders that systems left behind.
        unnamed: Files that the table of labels does not name.
        labels: The table, where it has more to say of files than their classes and splits.
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
    def inner_classes(self) -> tuple[str, ...]:
        """Names of folders inside the class folders that may be the classes; mostly empty."""
        if self.labels is not None:
            return ()
        return inner_classes((file.name, file.label) for file in self.files)

    @property
    def fingerprint(self) -> str:
        """A digest of names and contents: wherever the folder lies, the same files give the same.

        Files that nobody has looked at are read.
        """
        read = self if all(file.content for file in self.files) else self.with_contents()
        digest = hashlib.sha256()
        for file in read.files:
            digest.update(os.fsencode(f"{file.name}\0{file.content}\0"))
        return digest.hexdigest()

    def with_contents(
        self, limit: int = ReadConfig().max_file_bytes, cache: Path | None = None
    ) -> "ImageFolder":
        """Looks what is in the files.

        Args:
            limit: Files with more bytes are not read.
            cache: A folder that spares reading those again that have not changed.

        Returns:
            The same listing, with the contents.

        Raises:
            PipelineError: This machine could not read a file now.
        """
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:32]
        known = cache / "digests" / f"{name}.parquet" if cache else None
        paths = [file.path for file in self.files]
        contents = read_digests(paths, limit, known, step="looking for what has changed")
        return replace(
            self,
            files=tuple(
                replace(file, content=content)
                for file, content in zip(self.files, contents, strict=True)
            ),
        )


def list_data(root: Path, config: IngestConfig) -> ImageFolder:
    """Lists what an ingestion reads.

    Args:
        root: The data folder.
        config: Which spans and classes, and the table of labels.

    Returns:
        As `list_images`.
    """
    labels = read_labels(config.labels, config.classes)
    return list_images(
        root, span=config.span, window=config.window, labels=labels, classes=config.classes
    )


def list_images(
    root: Path,
    *,
    span: int | None = None,
    window: int = 1,
    labels: Labels | None = None,
    classes: Collection[str] = (),
    least: int = 2,
) -> ImageFolder:
    """Lists the class folders below a data folder, or all files that a table may name.

    What systems leave behind is passed over, hidden files and folders too; links to files are
    followed.

    Args:
        root: The data folder.
        span: The newest `span-NNN` folder to list; None for the newest there is.
        window: How many spans are listed, up to that one.
        labels: A table that decides instead of class folders.
        classes: If no class folder has one of these names, those of them count that lie deeper.
        least: How many classes there must be: two to train on, one to evaluate on.

    Returns:
        Its files and classes.

    Raises:
        PipelineError: The folder is missing, unreadable or empty, has fewer than `least` classes,
            or not the span that is asked for; or the table has wrong rows.
    """
    # By whatever path a folder is reached, it is the same one.
    root = Path(os.path.realpath(root))
    if not root.is_dir():
        raise UsageError(f"There is no folder {root}; --data takes a folder of class folders.")
    spans = _spans(root, span, window)
    if labels is not None:
        return _list_named(root, spans, labels, least)
    files: list[FoundFile | None] = []
    found: set[str] = set()
    leftovers = Leftovers()
    places = {root, *spans.values()}
    for number, span_folder in spans.items():
        for split_folder, split in _split_folders(span_folder).items():
            places.add(split_folder)
            for class_folder in _subfolders(split_folder):
                label = unicodedata.normalize("NFC", class_folder.name)
                found.add(label)
                for path, name in _files(root, class_folder, leftovers):
                    files.append(_found(path, name, label, split, number))
    if not found.intersection(classes):
        files, found = _deeper(files, found, classes)
    if len(found) < least:
        there = f"1 class folder ({found.pop()})" if found else "0 class folders"
        raise UsageError(
            f"{root} has {there}, and {demand_of(least)}: expected "
            "Training/CLASS/*.jpg and Testing/CLASS/*.jpg, CLASS/*.jpg, or a table of labels "
            "(--labels)."
        )
    if not any(files):
        raise UsageError(f"The class folders of {root} hold no file.")
    return ImageFolder(
        root=str(root),
        files=_sorted(files),
        classes=tuple(sorted(found)),
        spans=tuple(spans),
        passed_over=leftovers.count + sum(map(_leftovers_beside, places)),
    )


def _deeper(
    files: list[FoundFile | None], found: set[str], classes: Collection[str]
) -> tuple[list[FoundFile | None], set[str]]:
    """Files by the class that they lie in deeper down, and the names of their class folders."""
    labels = [nearest_class(file.name, classes) if file else None for file in files]
    if not any(labels):
        return files, found
    files = [
        file and replace(file, label=label or file.label)
        for file, label in zip(files, labels, strict=True)
    ]
    return files, {file.label for file in files if file}


def _list_named(root: Path, spans: dict[int, Path], labels: Labels, least: int) -> ImageFolder:
    """Lists the files that a table of labels names, or may name by what is in them."""
    files: list[FoundFile | None] = []
    named: set[str] = set()
    unnamed = 0
    leftovers = Leftovers()
    for number, span_folder in spans.items():
        for path, name in _files(root, span_folder, leftovers):
            split = _split_by_folder(span_folder, path)
            if match := labels.of_path(name):
                place, row = match
                named.add(place)
                files.append(_found(path, name, row.label, row.split or split, number))
            elif labels.ids:
                files.append(_found(path, name, "", split, number))
            else:
                unnamed += 1
    labels.check(root, named, least=least)
    if not any(files):
        raise UsageError(
            f"The label table {labels.source} names none of {counted(unnamed, 'file')} in {root}."
        )
    return ImageFolder(
        root=str(root),
        files=_sorted(files),
        classes=labels.classes,
        spans=tuple(spans),
        passed_over=leftovers.count,
        unnamed=unnamed,
        labels=labels if labels.ids or labels.patients else None,
    )


def _sorted(files: Iterable[FoundFile | None]) -> tuple[FoundFile, ...]:
    """Those that are still there, by name."""
    return tuple(sorted(filter(None, files), key=lambda file: file.name))


def number_spans(folders: Iterable[Path]) -> dict[int, Path]:
    """Finds the spans among folders.

    Args:
        folders: The folders in a data folder.

    Returns:
        The spans by number.

    Raises:
        PipelineError: Two have the same number.
    """
    found: dict[int, Path] = {}
    for folder in sorted(folders):
        if match := SPAN_FOLDER.fullmatch(folder.name):
            other = found.setdefault(int(match[1]), folder)
            if other != folder:
                raise UsageError(
                    f"{other.name} and {folder.name} in {folder.parent} have the same number: "
                    "rename one of them."
                )
    return found


def _spans(root: Path, newest: int | None, window: int) -> dict[int, Path]:
    """The span folders to list by number, in order; the root itself where it has none."""
    found = number_spans(_subfolders(root))
    if not found and newest is None:
        return {0: root}
    newest = max(found) if newest is None else newest
    if newest not in found:
        there = f"it has {', '.join(map(str, sorted(found)))}" if found else "it has none"
        raise UsageError(f"{root} has no folder span-{newest:03}; {there}. Choose one with --span.")
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
            if not is_leftover(entry.name, folder=True) and _is_folder(entry)
        )
    except OSError as error:
        raise path_error(error)(f"{folder} cannot be listed: {error.strerror}.") from error


def _is_folder(entry: Path) -> bool:
    try:
        return stat.S_ISDIR(entry.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise  # it may be one that is away for a while, and is not to be passed over


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
    return FoundFile(path, name, label, split, span, status.st_size)


def _refuse(error: OSError) -> None:
    raise path_error(error)(f"{error.filename} cannot be listed: {error.strerror}.") from error
