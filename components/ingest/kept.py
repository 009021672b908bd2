"""Keeps the pictures that were looked at until they are written as Examples."""

import hashlib
import secrets
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


class PictureWriter:
    """Keeps encoded pictures in a file of its own, one after the other; threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Makes the file.

        Args:
            folder: An existing folder that every worker reaches.
        """
        self._file = (folder / f"pictures-{secrets.token_hex(16)}").open("xb")
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
            place = Place(Path(self._file.name).name, self._file.tell(), len(encoded))
            self._file.write(encoded)
        return place

    def close(self) -> None:
        """Ends the file, so that others can read it, on a shared file system too.

        Raises:
            OSError: There is no room.
        """
        self._file.close()


def kept_picture(folder: Path, place: Place, sha256: str) -> bytes:
    """Reads a picture that a `PictureWriter` put into a folder.

    Args:
        folder: The folder.
        place: Where it was put.
        sha256: Its digest.

    Returns:
        The picture.

    Raises:
        PipelineError: What is there now is not it.
    """
    with (folder / place.file).open("rb") as file:
        file.seek(place.start)
        encoded = file.read(place.size)
    if hashlib.sha256(encoded).hexdigest() != sha256:
        raise PipelineError(
            f"{folder} does not return what was written there: check its file system, and run "
            "again."
        )
    return encoded
