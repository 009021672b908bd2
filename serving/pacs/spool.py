"""The folder that holds what came and what was made of it, each file whole and on the disk."""

import fcntl
import hashlib
import hmac
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import PipelineError
from components.whole_file import whole_file
from imaging.identity import STUDY, hashed
from serving.pacs.config import KeepConfig
from serving.pacs.headers import ImageHeader
from serving.pacs.journal import Journal

ANSWER_FILE, JOURNAL_FILE = "answer.json", "journal.sqlite"
_KEY_DIGITS = 16


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
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            self._salt = _salt(folder / "salt")
        except OSError as error:
            raise PipelineError(
                f"The spool {folder} cannot be written ({error.strerror}): name another folder, or "
                "give the node's user the right to write there."
            ) from error
        self.journal = Journal(folder / JOURNAL_FILE)
        self._held = self.journal.held()

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
        digest = hashlib.sha256(_without_meta(content)).hexdigest()
        known = self.journal.digest(key, header.instance)
        if known is not None:
            if known != digest:
                raise DifferentError("another image with its SOPInstanceUID is there")
            return False
        if self.journal.size(key) >= self._keep.instances:
            raise FullError(f"the study has {self._keep.instances:,} images, the limit")
        if self._held + len(content) > self._keep.bytes:
            raise FullError(f"the spool holds {self._keep.bytes:,} bytes, the limit")
        name = hmac.new(self._salt, header.instance.encode(), "sha256").hexdigest()[:32] + ".dcm"
        folder = self.folder_of(key)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / name, content)
        except OSError as error:
            raise FullError(f"the disk of the spool fails ({error.strerror})") from error
        try:
            self.journal.add(key, header.instance, name, digest, len(content), self._clock())
        except sqlite3.IntegrityError:  # it came by another association a moment ago
            return self.add(header, content)
        except sqlite3.Error as error:
            raise FullError("the journal cannot be written") from error
        self._held += len(content)
        return True

    def images(self, key: str) -> list[Path]:
        """The files of a study's images."""
        return [self.folder_of(key) / name for name in self.journal.images(key)]

    def remove(self, key: str) -> None:
        """Forgets a study and removes its files."""
        self.journal.forget(key)
        self._held = self.journal.held()
        shutil.rmtree(self.folder_of(key), ignore_errors=True)

    def sweep(self) -> None:
        """Removes folders of no study: what a kill left between a file and its entry."""
        known = {one.key for one in self.journal.studies()}
        for folder in (self.folder / "studies").glob("*"):
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that after a power cut it is whole or not there.

    Raises:
        OSError: It cannot be written; nothing of it is left.
    """
    with whole_file(path) as draft, draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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
