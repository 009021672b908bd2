"""The models of TensorFlow Serving's own tests, loaded here and in one server for all of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import upstream_models
from model_server import Server, running_server, write_config

from serving.server.servable import LoadOptions, Servable

DISTRIBUTED = "distrat_sequential_keras"
TWO_VERSIONS = "saved_model_half_plus_two_2_versions"
_WRITERS: dict[str, Callable[[Path], Path]] = {
    name: lambda path, name=name: upstream_models.write_v1(path, getattr(upstream_models, name))
    for name in (
        *("half_plus_two", "half_plus_three", "counter", "no_default"),
        *("classifier", "regressor"),
    )
} | {
    "half_plus_two_tf2": upstream_models.write_half_plus_two_tf2,
    "tf_saved_model_save": upstream_models.write_saved_model_save,
    "multiple_signatures": upstream_models.write_multiple_signatures,
    "sequential_keras": upstream_models.write_sequential_keras,
}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of base paths by model, each with version 123; not to be written to."""
    root = tmp_path_factory.mktemp("upstream")
    with upstream_models.writing_distributed_keras(root / DISTRIBUTED / "00000123"):
        for name, write in _WRITERS.items():
            write(root / name / "00000123")
    two = root / TWO_VERSIONS
    two.mkdir()
    for version in ("00000123", "00000124"):
        (two / version).symlink_to(root / "half_plus_two" / "00000123")
    return root


@pytest.fixture(scope="session")
def load(models: Path) -> Callable[..., Servable]:
    """Loads a model into this process; the same one only once."""
    loaded: dict[tuple[str, bool], Servable] = {}

    def get(name: str, check: bool = False) -> Servable:
        if (name, check) not in loaded:
            options = LoadOptions(check_method_name=check)
            path = models / name / "00000123"
            loaded[name, check] = Servable("toy", 123, path, options)
        return loaded[name, check]

    return get


@pytest.fixture(scope="session")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of all these models, with metrics and a Unix socket; not to be changed."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "monitoring").write_text("prometheus_config { enable: true }")
    paths = {name: models / name for name in (*_WRITERS, DISTRIBUTED, TWO_VERSIONS)}
    paths["default"] = models / "half_plus_two"
    policy = "model_version_policy { specific { versions: 123 versions: 124 } }"
    label = 'version_labels { key: "Version_Label" value: 123 }'
    config = write_config(folder / "models.config", paths, {TWO_VERSIONS: policy, "default": label})
    with running_server(
        folder,
        f"--model_config_file={config}",
        "--allow_version_labels_for_unavailable_models",
        f"--monitoring_config_file={folder / 'monitoring'}",
        f"--grpc_socket_path={folder / 'grpc.sock'}",
        "--grpc_channel_arguments=grpc.max_connection_age_ms=600000,grpc.lb_policy_name=grpclb",
    ) as running:
        running.socket_path = folder / "grpc.sock"
        for name in paths:
            running.wait_for({123: "AVAILABLE"}, name)
        yield running


@pytest.fixture(scope="session")
def half_plus_two_metadata() -> dict[str, Any]:
    """What REST says of the half-plus-two model: the content of upstream's file of metadata."""
    column = {"dim": [_dim(-1), _dim(1)], "unknown_rank": False}
    example = _info("tf_example", "DT_STRING", {"dim": [], "unknown_rank": True})
    tensors = {name: _info(name, "DT_FLOAT", column) for name in ("x", "x2", "y", "y2", "y3")}

    def signature(source: Any, target: str, method: str, given: str, gives: str) -> dict[str, Any]:
        return {
            "inputs": {given: source},
            "outputs": {gives: tensors[target]},
            "method_name": method,
            "defaults": {},
        }

    x2, regress = tensors["x2"], ("tensorflow/serving/regress", "inputs", "outputs")
    classify = ("tensorflow/serving/classify", "inputs", "scores")
    x, predict = tensors["x"], ("tensorflow/serving/predict", "x", "y")
    signatures = {
        "serving_default": signature(x, "y", *predict),
        "regress_x_to_y": signature(example, "y", *regress),
        "regress_x_to_y2": signature(example, "y2", *regress),
        "regress_x2_to_y3": signature(x2, "y3", *regress),
        "classify_x_to_y": signature(example, "y", *classify),
        "classify_x2_to_y3": signature(x2, "y3", *classify),
        "unsupported": signature(x, "y", upstream_models.UNSUPPORTED_METHOD, "x", "y"),
    }
    return {
        "model_spec": {"name": "default", "signature_name": "", "version": "123"},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _dim(size: int) -> dict[str, str]:
    return {"size": str(size), "name": ""}


def _info(name: str, dtype: str, shape: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"{name}:0", "dtype": dtype, "tensor_shape": shape}
