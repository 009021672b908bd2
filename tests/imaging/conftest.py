"""DICOM files that are read as ingest reads them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from imaging.config import ReadConfig
from imaging.reader import ImageFile, read_file

_CONFIG = ReadConfig(outside="keep")


@pytest.fixture
def read_dicom(tmp_path: Path) -> Callable[..., ImageFile]:
    """Reads bytes as a file."""

    def read(
        content: bytes,
        config: ReadConfig = _CONFIG,
        salt: bytes = b"salt",
        name: str = "image.dcm",
    ) -> ImageFile:
        path = tmp_path / name
        path.write_bytes(content)
        return read_file(str(path), config, salt)

    return read
