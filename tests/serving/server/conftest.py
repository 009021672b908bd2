"""Toy models and one server that has them all, for the whole session."""

from collections.abc import Iterator
from pathlib import Path

import gates
import pytest
import toy_servables
from model_server import HANGS, Server, running_server, write_config

_BATCHING = """
    max_batch_size { value: 4 }
    batch_timeout_micros { value: 100000 }
    max_enqueued_batches { value: 3 }
    num_batch_threads { value: 1 }
    allowed_batch_sizes: 2
    allowed_batch_sizes: 4
"""
_WRITERS = {
    "half": ("00000123", toy_servables.write_half_plus),
    "bytes": ("1", toy_servables.write_bytes_model),
    "types": ("1", toy_servables.write_types_model),
    "held": ("1", toy_servables.write_held_model),
    "tf1": ("123", toy_servables.write_tf1_model),
    "keras": ("1", toy_servables.write_keras_model),
}


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of base paths by model; not to be written to."""
    root = tmp_path_factory.mktemp("toys")
    for name, (version, write) in _WRITERS.items():
        write(root / name / version)
    return root


@pytest.fixture(scope="session")
def server(toys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of all toy models, with metrics, health and a Unix socket; not to be changed."""
    folder = tmp_path_factory.mktemp("server")
    monitoring = folder / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    with running_server(
        folder,
        f"--model_config_file={write_config(folder / 'models', {n: toys / n for n in _WRITERS})}",
        "--monitoring_config_file",
        str(monitoring),
        "--flush_filesystem_caches=false",
        f"--rest_api_timeout_in_ms={HANGS * 1000:.0f}",
        gates.ROOM,
        "--enable_grpc_healthcheck_service",
        f"--grpc_socket_path={folder}/grpc.sock",
        "--grpc_channel_arguments=grpc.max_connection_age_ms=600000,grpc.lb_policy_name=grpclb",
    ) as running:
        for name, (version, _) in _WRITERS.items():
            running.wait_for({int(version): "AVAILABLE"}, name)
        running.socket_path = folder / "grpc.sock"
        yield running


@pytest.fixture(scope="session")
def batching(tmp_path_factory: pytest.TempPathFactory, toys: Path) -> Iterator[Server]:
    """A server that merges up to four, waits a tenth of a second, and pads to two or four."""
    folder = tmp_path_factory.mktemp("batching")
    (folder / "batching.config").write_text(_BATCHING)
    names = ("half", "bytes", "types", "held", "tf1")
    config = write_config(folder / "models.config", {name: toys / name for name in names})
    flags = (f"--model_config_file={config}", "--enable_batching=true")
    parameters = f"--batching_parameters_file={folder / 'batching.config'}"
    with running_server(folder, *flags, parameters, gates.ROOM) as server:
        for name in names:
            server.wait_for({123 if name in ("half", "tf1") else 1: "AVAILABLE"}, name)
        yield server


@pytest.fixture(scope="session")
def other(toys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the model with a gate, open to other origins."""
    folder = tmp_path_factory.mktemp("other")
    monitoring = folder / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true, path: "/other" }')
    with running_server(
        folder,
        f"--model_base_path={toys / 'held'}",
        f"--monitoring_config_file={monitoring}",
        "--rest_api_enable_cors_support",
        gates.ROOM,
    ) as running:
        running.wait_for({1: "AVAILABLE"})
        yield running
