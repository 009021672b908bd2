"""Keeps the pictures that were looked at until they are written as Examples."""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from components.errors import PipelineError


class Place(NamedTuple):
    """Where a picture is kept.

    Attributes:
        file: The name of a file in the folder.
        start: The picture's first byte there.
        size: How many bytes it has.
    """

    file: str
    start: int
    size: int


@dataclass(frozen=True)
class KeptPictures:
    """Encoded pictures in a folder: a file a writer, one picture after the other.

    Attributes:
        folder: An existing folder that every worker reaches.
    """

    folder: Path

    def writer(self) -> "PictureWriter":
        """A writer with a file of its own."""
        return PictureWriter(self.folder / f"pictures-{secrets.token_hex(16)}")

    def get(self, place: Place, sha256: str) -> bytes:
        """Reads a picture.

        Args:
            place: Where it was put.
            sha256: Its digest.

        Returns:
            The picture.

        Raises:
            PipelineError: What is there now is not it.
        """
        with (self.folder / place.file).open("rb") as file:
            file.seek(place.start)
            encoded = file.read(place.size)
        if hashlib.sha256(encoded).hexdigest() != sha256:
            raise PipelineError(
                f"{self.folder} does not give back what was written there: see to its file system, "
                "and run again."
            )
        return encoded


class PictureWriter:
    """Keeps pictures; threads may share one."""

    def __init__(self, path: Path) -> None:
        """Makes the file.

        Args:
            path: It; there is none yet.
        """
        self._path = path
        self._file = path.open("xb")
        self._lock = Lock()

    def put(self, encoded: bytes) -> Place:
        """Keeps a picture; it can be read once the file is closed.

        Args:
            encoded: A JPEG or PNG file.

        Returns:
            Where it is.

        Raises:
            OSError: There is no room.
        """
        with self._lock:
            place = Place(self._path.name, self._file.tell(), len(encoded))
            self._file.write(encoded)
        return place

    def close(self) -> None:
        """Ends the file, so that others can read it, on a shared file system too.

        Raises:
            OSError: There is no room.
        """
        self._file.close()
