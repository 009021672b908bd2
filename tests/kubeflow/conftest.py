from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import kfp_server
import pytest

from kubeflow.server import Server

if TYPE_CHECKING:
    from tfx.proto.orchestration import pipeline_pb2


class Toy(NamedTuple):
    """The toy pipeline, compiled: the file, and TFX's graph in it."""

    file: Path
    graph: "pipeline_pb2.Pipeline"


@pytest.fixture
def server() -> Iterator[kfp_server.KfpServer]:
    with kfp_server.running() as running:
        yield running


@pytest.fixture
def connected(server: kfp_server.KfpServer) -> Server:
    return Server(server.address)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kfp_server.compile_pipeline(tmp_path_factory.mktemp("compiled") / "pipeline.yaml")


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    from compiled import compile_toy

    import kubeflow.compile

    graphs = []
    with pytest.MonkeyPatch.context() as patch:
        compile_graph = kubeflow.compile.compile_pipeline
        patch.setattr(
            "kubeflow.compile.compile_pipeline",
            lambda pipeline: graphs.append(compile_graph(pipeline)) or graphs[-1],
        )
        file = compile_toy(tmp_path_factory.mktemp("toy") / "pipeline.yaml")
    return Toy(file, *graphs)
