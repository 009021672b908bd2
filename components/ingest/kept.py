"""Keeps the pictures that were looked at until they are written as Examples."""

import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KeptPictures:
    """Encoded pictures in a folder, each once, by their digest.

    Attributes:
        folder: An existing folder that every worker reaches.
    """

    folder: Path

    def put(self, sha256: str, encoded: bytes) -> None:
        """Keeps a picture; workers may keep the same one at the same time.

        Args:
            sha256: Digest of `encoded`.
            encoded: A JPEG or PNG file.

        Raises:
            OSError: There is no room.
        """
        path = self._path(sha256)
        if path.exists():
            return
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(f".{secrets.token_hex(8)}")
        unfinished.write_bytes(encoded)
        unfinished.replace(path)

    def get(self, sha256: str) -> bytes:
        """The picture of a digest that was kept."""
        return self._path(sha256).read_bytes()

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256
