"""VGG16's weights, published on this machine: the network is never needed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_weights import Published, publishing

from components.trainer.weights.vgg16 import CACHE_VARIABLE


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    """Both publishers on this machine, pip pointed at a folder, and no other cache in sight."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras home"))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache root"))
    with publishing(shelf) as toy:
        yield toy
