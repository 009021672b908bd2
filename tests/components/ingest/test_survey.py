import errno
import os

import pytest
from drawing import draw, encode

from components.errors import PipelineError
from components.ingest.config import IngestConfig
from components.ingest.looks import read_images


def test_storage_that_went_away_ends_the_work(tmp_path, monkeypatch):
    path = tmp_path / "image.png"
    path.write_bytes(encode(draw(0)))

    def gone(*arguments):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr("imaging.reader.os.open", gone)
    with pytest.raises(
        PipelineError, match=r"became unavailable .*[Ss]tale file handle.*: run again"
    ):
        read_images(str(path), IngestConfig())
