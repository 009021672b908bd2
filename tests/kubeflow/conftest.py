from collections.abc import Iterator
from pathlib import Path

import kfp_server
import pytest


@pytest.fixture
def server() -> Iterator[kfp_server.KfpServer]:
    with kfp_server.running() as running:
        yield running


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kfp_server.compile_pipeline(tmp_path_factory.mktemp("compiled") / "pipeline.yaml")
