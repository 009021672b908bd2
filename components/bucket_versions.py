"""Versions of a served model in a bucket, which has no names that can be given at the end.

An object appears whole or not at all, but a version is many. So `saved_model.pb`, without which
TensorFlow Serving loads nothing, is written last and removed first: a version without one is not
whole, and nobody serves it. Just before it comes FILES, which says what belongs to the version.
"""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.bucket import BucketError, BucketFolder, StoredObject
from components.servable import EXTRAS, SAVED_MODEL_FILE
from components.whole_file import UNFINISHED, is_written_in, writing_in

FILES = f"{EXTRAS}/files.json"
"""What a published version consists of: each file's size and sha256."""

_PIECE = 1 << 20
_KEPT = 3
"""Versions of a model that stay in a cache: that which is served, and those it may go back to."""


@dataclass(frozen=True)
class BucketVersion:
    """A version in a bucket, as a listing says.

    Attributes:
        folder: Where it is.
        objects: What is there, by name.
    """

    folder: BucketFolder
    objects: tuple[StoredObject, ...]

    @property
    def whole(self) -> bool:
        """Whether it may be served: all of it was there once."""
        return any(one.name == SAVED_MODEL_FILE for one in self.objects)

    @property
    def digest(self) -> str:
        """What changes with any of its objects."""
        listed = sorted((one.name, one.etag, one.size) for one in self.objects)
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    @property
    def etags(self) -> dict[str, str]:
        """The ETag of each object, by name: it changes with the content."""
        return {one.name: one.etag for one in self.objects}

    def files(self) -> dict[str, dict[str, Any]] | None:
        """What it is to consist of, by name; None where that was not written.

        Raises:
            BucketError: That cannot be read.
        """
        for one in self.objects:
            if one.name == FILES:
                try:
                    return dict(json.loads(self.folder.read(one))["files"])
                except (ValueError, KeyError, TypeError):
                    raise BucketError(f"{self.folder}/{FILES} is damaged. {_AGAIN}") from None
        return None

    def published(self) -> dict[str, dict[str, Any]] | None:
        """What it is to consist of; None also where what says so is damaged."""
        try:
            return self.files()
        except BucketError:
            return None

    def listed_again(self) -> "BucketVersion":
        """What is there now.

        Raises:
            BucketError: It cannot be listed.
        """
        return BucketVersion(self.folder, tuple(self.folder.objects()))

    def fetch(self, folder: Path) -> None:
        """Fetches it into an empty folder, and checks that it is what was published.

        Raises:
            BucketError: It cannot be fetched, or is not whole.
            OSError: It cannot be written.
        """
        listed = {one.name: one for one in self.objects}
        files = self.files()
        names = list(listed) if files is None else [*files, FILES]
        for name, about in (files or {}).items():
            if name not in listed:
                raise BucketError(f"{self.folder} is not whole: {name} is missing. {_AGAIN}")
            if listed[name].size != about["bytes"]:
                raise BucketError(
                    f"{self.folder} is not whole: {name} has {listed[name].size:,} of "
                    f"{about['bytes']:,} bytes. {_AGAIN}"
                )
        digests = self.folder.fetch([listed[name] for name in names], folder)
        for name, about in (files or {}).items():
            if digests[name] != about["sha256"]:
                raise BucketError(
                    f"{self.folder} is damaged: {name} is not what was published. {_AGAIN}"
                )


_AGAIN = "Publish it again: `mri models publish`."


def list_versions(base: BucketFolder) -> dict[str, BucketVersion]:
    """Lists what lies in a folder of versions.

    Args:
        base: The folder.

    Returns:
        Whatever lies in a folder of its own, whole or not, by the folder's name.

    Raises:
        BucketError: It cannot be listed.
    """
    found: dict[str, list[StoredObject]] = {}
    for one in base.objects():
        name, slash, rest = one.name.partition("/")
        if slash:
            found.setdefault(name, []).append(StoredObject(rest, one.size, one.etag))
    return {name: BucketVersion(base / name, tuple(objects)) for name, objects in found.items()}


def describe_files(version: Path) -> dict[str, dict[str, Any]]:
    """Describes what a version of this machine consists of, as FILES does.

    Args:
        version: The version's folder.

    Returns:
        Size and sha256 by name.
    """
    described = {}
    for name, path in _files(version):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        described[name] = {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}
    return described


def send_version(
    version: Path,
    files: Mapping[str, dict[str, Any]],
    destination: BucketFolder,
    there: BucketVersion | None = None,
    sent: Mapping[str, str] | None = None,
) -> None:
    """Makes a version in a bucket what a folder is.

    What lacks only some of its objects gets those, and is served meanwhile. Any other is none until
    the end.

    Args:
        version: The folder.
        files: What it consists of.
        destination: The version's folder in the bucket.
        there: What is there of it already, if anything.
        sent: ETags by name that its objects had when they were sent; any other is sent again.

    Raises:
        BucketError: It cannot be sent.
        OSError: A file cannot be read.
    """
    listed = {one.name: one for one in there.objects} if there else {}
    if there is None or there.published() != files:
        destination.remove(SAVED_MODEL_FILE)
        for name in listed:
            destination.remove(name)
        listed = {}
    for name in set(listed) - set(files) - {FILES}:
        destination.remove(name)
    known = {
        name
        for name, one in listed.items()
        if not sent or sent.get(name) == one.etag
        if name in files and files[name]["bytes"] == one.size
    }
    missing = [name for name in files if name not in known]
    destination.put(
        [(name, version / name) for name in missing if name != SAVED_MODEL_FILE],
        f"sending version {version.name}",
    )
    with tempfile.TemporaryDirectory() as folder:
        about = Path(folder, "files.json")
        about.write_text(json.dumps({"files": files}, indent=2) + "\n", encoding="utf-8")
        destination.put([(FILES, about)])
    if SAVED_MODEL_FILE in missing:
        destination.put([(SAVED_MODEL_FILE, version / SAVED_MODEL_FILE)])


def remove_version(version: BucketVersion) -> None:
    """Removes a version from a bucket.

    Raises:
        BucketError: It cannot be removed; nobody serves half of it.
    """
    names = [one.name for one in version.objects]
    for name in sorted(names, key=lambda name: name != SAVED_MODEL_FILE):
        version.folder.remove(name)


def is_same(version: Path, there: BucketVersion) -> bool:
    """Whether a version in a bucket is whole, and has the files of a folder by names and sizes."""
    listed = {one.name: one.size for one in there.objects if one.name != FILES}
    return there.whole and listed == {name: path.stat().st_size for name, path in _files(version)}


def _files(version: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(version.rglob("*")):
        name = path.relative_to(version).as_posix()
        if path.is_file() and name != FILES:
            yield name, path


class VersionCache:
    """Versions from buckets on this machine, in a folder that servers may share.

    A server reads a version's files while it loads it, and never again: what is kept spares the
    next start.
    """

    def __init__(self, root: Path | None) -> None:
        """Args: `root`, the folder; None keeps nothing."""
        self._root = root

    @contextmanager
    def fetched(self, version: BucketVersion) -> Iterator[Path]:
        """Gives a version a folder on this machine; it is fetched first if it is not there.

        Args:
            version: The version, as it was listed.

        Yields:
            The folder, whose name it gets when it is whole. One that was of no use is removed.

        Raises:
            BucketError: It cannot be fetched, or is not whole.
            OSError: It cannot be written.
        """
        if self._root is None:
            with tempfile.TemporaryDirectory() as folder:
                version.fetch(Path(folder))
                yield Path(folder)
            return
        base, _, name = str(version.folder).rpartition("/")
        kept = self._root / hashlib.sha256(base.encode()).hexdigest()[:16]
        place = kept / f"{name}-{version.digest[:16]}"
        if not place.is_dir():
            kept.mkdir(parents=True, exist_ok=True)
            _fetch_whole(version, place)
        with writing_in(place):
            try:
                yield place
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
        with suppress(FileNotFoundError):  # another server has removed it
            os.utime(place)
        _remove_all_but(_KEPT, kept)


def _fetch_whole(version: BucketVersion, place: Path) -> None:
    unfinished = place.with_name(f".unfinished-{secrets.token_hex(4)}-{place.name}")
    with writing_in(place.parent):
        try:
            unfinished.mkdir()
            version.fetch(unfinished)
            for _, path in _files(unfinished):
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            try:
                unfinished.rename(place)
            except OSError:
                if not place.is_dir():  # else another server was faster
                    raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _remove_all_but(number: int, folder: Path) -> None:
    """Removes all but the versions that were loaded last, and what a killed server left."""
    left = [one for one in folder.iterdir() if UNFINISHED.fullmatch(one.name)]
    if is_written_in(folder):
        left = []
    there = [one for one in folder.iterdir() if not one.name.startswith(".")]
    with suppress(FileNotFoundError):  # another server is at the same
        there.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        left += [one for one in there[number:] if not is_written_in(one)]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
