"""The folder that holds what came and what was made of it, each file whole and on the disk."""

import fcntl
import hashlib
import hmac
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import PipelineError
from components.whole_file import whole_file
from imaging.identity import STUDY, hashed
from serving.pacs.config import KeepConfig
from serving.pacs.headers import ImageHeader, UnreadableHeaderError, read_header
from serving.pacs.journal import Journal, Study

ANSWER_FILE, JOURNAL_FILE = "answer.json", "journal.sqlite"
_KEY_DIGITS = 16
_LOCKS = 64
"""More than images that come at once; studies share them by their keys."""


class FullError(Exception):
    """The spool may not or cannot grow; the message holds nothing of the image."""


class DifferentError(Exception):
    """Another image with the same UID is there."""


class Spool:
    """A node's folder.

    Attributes:
        folder: It.
        journal: How far each study has come.
    """

    def __init__(self, folder: Path, keep: KeepConfig, clock: Callable[[], float]) -> None:
        """Opens the folder, or makes it; only its owner may look into it.

        Raises:
            PipelineError: It cannot be written.
        """
        self.folder, self._keep, self._clock = folder, keep, clock
        try:
            make_folder(folder)
            folder.chmod(0o700)
            self._salt = _salt(folder / "salt")
        except OSError as error:
            raise PipelineError(
                f"The spool {folder} cannot be written ({error.strerror}): name another folder, or "
                "give the node's user the right to write there."
            ) from error
        self.journal = Journal(folder / JOURNAL_FILE)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._counting, self._held = threading.Lock(), self.journal.held()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """For the node alone, as long as it runs.

        Raises:
            PipelineError: Another one works on this folder.
        """
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PipelineError(
                    f"Another node works on the spool {self.folder}: stop it, or name another "
                    "folder."
                ) from None
            yield

    def key(self, study: str) -> str:
        """What stands for a StudyInstanceUID in logs, metrics and file names."""
        return hashed(STUDY, study, self._salt).hex()[:_KEY_DIGITS]

    def folder_of(self, key: str) -> Path:
        """The folder of a study."""
        return self.folder / "studies" / key

    def add(self, header: ImageHeader, content: bytes) -> bool:
        """Keeps an image; it is on the disk when this returns.

        Args:
            header: What was read of it.
            content: The whole file.

        Returns:
            Whether it is new: False if just this image is there.

        Raises:
            FullError: The spool or the study is at its limit, or the disk is full or fails.
            DifferentError: Another image has its UID.
        """
        key = self.key(header.study)
        try:
            with self._lock(key):
                return self._add(key, header, content)
        except sqlite3.Error as error:
            raise FullError("the journal cannot be written") from error

    def _add(self, key: str, header: ImageHeader, content: bytes) -> bool:
        digest = hashlib.sha256(_without_meta(content)).hexdigest()
        name = hmac.new(self._salt, header.instance.encode(), "sha256").hexdigest()[:32] + ".dcm"
        file = self.folder_of(key) / name
        known = self.journal.digest(key, header.instance)
        if known is not None:
            if known != digest and not _is_recoded(header, file):
                raise DifferentError("another image with its SOPInstanceUID is there")
            return False
        if self.journal.size(key) >= self._keep.instances:
            raise FullError(f"the study has {self._keep.instances:,} images, the limit")
        with self._counting:
            if self._held + len(content) > self._keep.bytes:
                raise FullError(f"the spool holds {self._keep.bytes:,} bytes, the limit")
            self._held += len(content)
        try:
            make_folder(file.parent)
            write_whole(file, content)
            self.journal.add(key, header.instance, name, digest, len(content), self._clock())
        except BaseException as error:
            self._count(-len(content))
            if isinstance(error, OSError):
                raise FullError(f"the disk of the spool fails ({error.strerror})") from error
            raise
        return True

    def _lock(self, key: str) -> threading.Lock:
        return self._locks[int(key, 16) % _LOCKS]

    def _count(self, size: int) -> None:
        with self._counting:
            self._held += size

    def images(self, key: str) -> list[Path]:
        """The files of a study's images."""
        return [self.folder_of(key) / name for name in self.journal.images(key)]

    def made(self, key: str) -> None:
        """Counts what was made of a study, too."""
        with self._lock(key):
            images = {*self.images(key)}
            files = [one for one in self.folder_of(key).rglob("*") if one not in images]
            size = sum(one.stat().st_size for one in files if one.is_file())
            self._count(self.journal.made(key, size))

    def remove(self, study: Study) -> bool:
        """Forgets a study and removes its files, if it stands as it is known here.

        Args:
            study: It, as the journal told.

        Returns:
            Whether it was: False if an image has come, or a person has begun it again.
        """
        with self._lock(study.key):
            size = self.journal.forget(study)
            if size is None:
                return False
            shutil.rmtree(self.folder_of(study.key), ignore_errors=True)
        self._count(-size)
        return True

    def sweep(self) -> None:
        """Removes folders of no study: what a kill left between a file and its entry."""
        known = {one.key for one in self.journal.studies()}
        for folder in (self.folder / "studies").glob("*"):
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Makes a folder, and those that it is in, so that they are there after a power cut.

    Raises:
        OSError: It cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that after a power cut it is whole or not there.

    Raises:
        OSError: It cannot be written; nothing of it is left.
    """
    with whole_file(path) as draft, draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    _sync(path.parent)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _is_recoded(header: ImageHeader, file: Path) -> bool:
    """Whether a file holds the same image, compressed in another way."""
    try:
        kept = read_header(file)
    except (OSError, UnreadableHeaderError):
        return False
    same = (kept.series, kept.patient) == (header.series, header.patient)
    return same and kept.syntax != header.syntax


def _without_meta(content: bytes) -> bytes:
    """The data set alone: what stands before it says who sent it, and differs each time."""
    if content[128:132] != b"DICM" or len(content) < 144:
        return content
    return content[144 + int.from_bytes(content[140:144], "little") :]


def _salt(file: Path) -> bytes:
    if not file.exists():
        write_whole(file, secrets.token_bytes(32))
        file.chmod(0o600)
    return file.read_bytes()
