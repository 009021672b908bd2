"""The log before a model server that has none: all passes through, and `mri monitor` reads it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import httpx
import pytest
from drawing import draw, encode
from fake_server import running, says
from mri_command import mri

from components.errors import PipelineError
from components.free_ports import free_ports
from components.monitor.window import one_version, read_window
from serving.client import Client, ServingError
from serving.client.messages import PredictRequest, PredictResponse, model_spec
from serving.logging_proxy import parse_servers

pytestmark = pytest.mark.long

IMAGE = encode(draw(1))
HANGS = 300
"""Seconds after which a process is taken to hang."""


class _Proxy:
    """`mri serve log` in a process of its own."""

    def __init__(self, folder: Path, *servers: str) -> None:
        self.log, (self.port, self.rest_port) = folder / "log", free_ports(2)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mri", "serve", "log", *servers, "--log", self.log,
             "--port", str(self.port), "--rest-port", str(self.rest_port)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip
        self.said = [self._process.stdout.readline()]
        while self.said[-1] and not self.said[-1].startswith("logging to"):
            self.said.append(self._process.stdout.readline())
        assert self.said[-1], self.said

    def end(self) -> int:
        self._process.terminate()
        self._process.stdout.close()
        return self._process.wait(HANGS)


@pytest.fixture
def proxy(tmp_path) -> Iterator[_Proxy]:
    # Here: what needs no TensorFlow is tested without it.
    from model_server import running_server
    from small_model import save

    save(tmp_path / "models" / "7", reasons="because")
    flags = ("--model_name=brain_mri", f"--model_base_path={tmp_path / 'models'}")
    with running_server(tmp_path, *flags) as server:
        server.wait_for({7: "AVAILABLE"}, "brain_mri")
        rest = f"http://127.0.0.1:{server.rest_port}"
        proxy = _Proxy(tmp_path, "--server", server.address, "--rest-server", rest)
        try:
            yield proxy
        finally:
            proxy.end()


def test_requests_over_both_protocols_are_passed_on_and_logged(proxy):
    for port, images in ((proxy.port, 3), (proxy.rest_port, 2)):
        address = f"127.0.0.1:{port}"
        with Client(address) as client:
            assert [one.label for one in client.predict_batch([IMAGE] * images)] == (
                ["notumor"] * images
            )
            assert [one.version for one in client.status()] == [7]
        with pytest.raises(ServingError, match=r"NOT_FOUND: .*other") as raised:
            Client(address, model="other").predict(IMAGE)
        assert raised.value.code == "NOT_FOUND"
    rest = f"http://127.0.0.1:{proxy.rest_port}"
    assert httpx.get(f"{rest}/v1/models/brain_mri/metadata").status_code == 200
    bad = httpx.post(f"{rest}/v1/models/brain_mri:predict", content=b"{")
    assert (bad.status_code, "error" in bad.json()) == (400, True)
    assert proxy.end() == 0

    logged = one_version(read_window(proxy.log, None), None, None)
    assert len(logged) == 5
    assert set(logged["model"]) == {"brain_mri"}
    assert set(logged["version"]) == {7}
    assert set(logged["label"]) == {"notumor"}
    assert set(logged["reasons"]) == {"because"}
    assert logged["mean"].nunique() == 1
    assert (logged["latency_ms"] > 0).all()


_ROW = {"label": "x", "confidence": 0.5}
_STATUS = {"model_version_status": [{"version": "3", "state": "AVAILABLE"}]}


@pytest.mark.parametrize(
    ("asked", "answered", "rows"),
    [
        ({"instances": [{"b64": "AAAA"}]}, {"predictions": [_ROW]}, 1),
        ({"instances": [{"image_bytes": {"b64": "AAAA"}}]}, {"predictions": [_ROW]}, 1),
        ({"instances": [{"b64": "AAAA"}] * 2}, {"predictions": [_ROW]}, 0),
        ({"instances": [{"b64": "A"}]}, {"predictions": [_ROW]}, 0),
        ({"instances": [1.0]}, {"predictions": [[0.5]]}, 0),
        ({"instances": []}, {"predictions": []}, 0),
        ([], [], 0),
        ("x" * 10_000, None, 0),
    ],
)
def test_what_is_no_prediction_of_ours_is_passed_on_and_not_logged(tmp_path, asked, answered, rows):
    import asyncio

    from serving.client.address import Address
    from serving.logging_proxy import _RestProxy

    class Log(list):
        take = list.append

    async def ask(address):
        log = Log()
        app = _RestProxy(Address.parse(address), log).app()
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as client:
            answer = await client.post("/v1/models/m/versions/3:predict", json=asked)
        return answer, log

    with running(says(200, answered)) as server:
        answer, log = asyncio.run(ask(server.address))
    assert answer.json() == answered
    assert [one.version for one in log] == [3] * rows
    [(path, _, body)] = server.requests
    assert path == "/v1/models/m/versions/3:predict"
    assert json.loads(body) == asked


class _Model(grpc.GenericRpcHandler):
    """Answers any Predict as version 4 would; refuses what names another model."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, request, context):
        asked = PredictRequest.FromString(request)
        if asked.model_spec.name != "brain_mri":
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
        assert dict(context.invocation_metadata())["authorization"] == "Bearer secret"
        assert context.time_remaining() < HANGS
        answer = PredictResponse(model_spec=model_spec("brain_mri", 4))
        for name, strings in (("label", [b"x"]), ("classes", [b"x"])):
            tensor = answer.outputs[name]
            tensor.dtype, shape = 7, [1, 1] if name == "classes" else [1]
            for size in shape:
                tensor.tensor_shape.dim.add(size=size)
            tensor.string_val.extend(strings)
        for name, shape in (("confidence", [1]), ("probabilities", [1, 1])):
            tensor = answer.outputs[name]
            tensor.dtype = 1
            for size in shape:
                tensor.tensor_shape.dim.add(size=size)
            tensor.float_val.append(1.0)
        return answer.SerializeToString()


def test_grpc_is_passed_on_with_its_deadline_and_token(tmp_path):
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[_Model()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    proxy = _Proxy(tmp_path, "--server", f"127.0.0.1:{port}")
    try:
        access = {"token": "secret", "timeout": HANGS - 1}
        with Client(f"127.0.0.1:{proxy.port}", **access) as client:
            assert client.predict(IMAGE).version == 4
        with pytest.raises(ServingError, match="Servable not found") as raised:
            Client(f"127.0.0.1:{proxy.port}", model="other", **access).predict(IMAGE)
        assert raised.value.code == "NOT_FOUND"
    finally:
        assert proxy.end() == 0
        server.stop(0).wait()
    logged = read_window(proxy.log, None)
    assert logged[["model", "version", "label"]].to_numpy().tolist() == [["brain_mri", 4, "x"]]


def test_where_no_server_answers_the_client_is_told(tmp_path):
    [nobody] = free_ports(1)
    proxy = _Proxy(
        tmp_path, "--server", f"127.0.0.1:{nobody}", "--rest-server", f"http://127.0.0.1:{nobody}"
    )
    try:
        for port in (proxy.port, proxy.rest_port):
            with pytest.raises(ServingError) as raised:
                Client(f"127.0.0.1:{port}", attempts=1).predict(IMAGE)
            assert raised.value.unavailable
    finally:
        assert proxy.end() == 0


@pytest.mark.parametrize(
    ("servers", "says_so"),
    [
        ((None, None), "Name the model server"),
        (("http://h:1", None), "address of the other protocol: give --server"),
        ((None, "grpc://h:1"), "address of the other protocol: give --rest-server"),
        (("h:x", None), "is not the address of a server"),
    ],
)
def test_servers_that_are_none_are_refused(servers, says_so):
    with pytest.raises(PipelineError, match=says_so):
        parse_servers(*servers)


def test_the_command_says_what_is_missing(tmp_path):
    result = mri("serve", "log", "--work", str(tmp_path))
    assert result.returncode != 0
    assert "Name the model server" in result.stderr
