"""DICOM files that are read as ingest reads them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components.ingest.config import IngestConfig
from components.ingest.readers import ImageFile, read_images

_CONFIG = IngestConfig()


@pytest.fixture
def read_dicom(tmp_path: Path) -> Callable[..., ImageFile]:
    """Reads bytes as a file."""

    def read(
        content: bytes,
        config: IngestConfig = _CONFIG,
        salt: bytes = b"salt",
        name: str = "image.dcm",
    ) -> ImageFile:
        path = tmp_path / name
        path.write_bytes(content)
        return read_images(str(path), config, salt)

    return read
