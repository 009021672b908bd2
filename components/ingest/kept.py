"""Keeps the pictures that were looked at until they are written as Examples."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple


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
    """Encoded pictures in a folder: a file a writer, one picture behind the other.

    Attributes:
        folder: An existing folder that every worker reaches.
    """

    folder: Path

    def writer(self) -> "PictureWriter":
        """A writer with a file of its own."""
        return PictureWriter(self.folder / f"pictures-{secrets.token_hex(16)}")

    def get(self, place: Place) -> bytes:
        """The picture that was put in a place."""
        with (self.folder / place.file).open("rb") as file:
            file.seek(place.start)
            return file.read(place.size)


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
        """Keeps a picture; it can be read after the next `flush`.

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

    def flush(self) -> None:
        """Lets others read what was put.

        Raises:
            OSError: There is no room.
        """
        self._file.flush()

    def close(self) -> None:
        """Ends the file."""
        self._file.close()
