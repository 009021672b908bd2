"""The log before a model server that has none: all passes through, and `mri monitor` reads it."""

import asyncio
import gc
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import grpc
import httpx
import pyarrow.parquet as pq
import pytest
from drawing import draw, encode
from fake_server import running, says
from mri_command import mri

from components.errors import UsageError
from components.free_ports import free_ports
from components.monitor.window import one_version, read_window
from serving import logging_proxy
from serving.client import Client, ServingError
from serving.client.address import Address
from serving.client.messages import PredictRequest, PredictResponse, model_spec, predict_request
from serving.logging_proxy import parse_servers
from serving.proxy_log import ProxyLog, grpc_answered
from serving.server.request_log import RequestLog

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


@asynccontextmanager
async def _rest_proxy(address: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the proxy, in this process, before a server; the log is written at the end."""
    log = ProxyLog(RequestLog(folder))
    proxy = logging_proxy._Server(logging_proxy._RestProxy(Address.parse(address), log).app())
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
        serving = asyncio.create_task(proxy.serve([listener]))
        here = "http://127.0.0.1:{1}".format(*listener.getsockname())
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=here, limits=limits, timeout=HANGS) as client:
            yield client
        proxy.should_exit = True
        await serving
    await log.close()


def _versions(folder: Path) -> list[int]:
    """The versions in a log."""
    files = folder.glob("requests-*.parquet")
    return [row["version"] for file in files for row in pq.read_table(file).to_pylist()]


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
        ({"instances": [{"b64": "AAAA"}]}, {"predictions": [{**_ROW, "confidence": 10**400}]}, 0),
        ({"instances": [{"b64": "AAAA"}]}, {"predictions": [{**_ROW, "more": "\ud800"}]}, 1),
        ([], [], 0),
        ("x" * 10_000, None, 0),
    ],
)
def test_what_is_no_prediction_of_ours_is_passed_on_and_not_logged(tmp_path, asked, answered, rows):
    async def ask(address):
        async with _rest_proxy(address, tmp_path) as client:
            return await client.post("/v1/models/m/versions/3:predict", json=asked)

    with running(says(200, answered)) as server:
        answer = asyncio.run(ask(server.address))
    assert (answer.status_code, answer.json()) == (200, answered)
    assert _versions(tmp_path) == [3] * rows
    [(path, _, body)] = server.requests
    assert path == "/v1/models/m/versions/3:predict"
    assert json.loads(body) == asked


def test_the_answer_does_not_wait_for_the_log(tmp_path):
    answered = threading.Event()

    def hesitates(handler, body):
        if answered.wait(HANGS):
            says(200, _STATUS)(handler, body)

    async def ask(address):
        async with _rest_proxy(address, tmp_path) as client:
            asked = {"instances": [{"b64": "AAAA"}]}
            assert (await client.post("/v1/models/m:predict", json=asked)).status_code == 200
            answered.set()

    with running(says(200, {"predictions": [_ROW]}), hesitates) as server:
        asyncio.run(ask(server.address))
    assert _versions(tmp_path) == [3]


@pytest.mark.parametrize("target", ["%2F@{evil}/x", "%2f.{evil}/x", "@{evil}/x", "http://{evil}/x"])
def test_a_path_that_names_another_host_is_refused(tmp_path, target):
    async def ask(address, evil):
        async with _rest_proxy(address, tmp_path) as client:
            here = client.base_url
            reader, writer = await asyncio.open_connection(here.host, here.port)
            head = f"GET {target.format(evil=evil)} HTTP/1.1\r\nHost: x\r\n"
            writer.write(f"{head}Authorization: Bearer secret\r\n\r\n".encode())
            line = await asyncio.wait_for(reader.readline(), HANGS)
            writer.close()
            return line

    with running(says(200, {})) as server, running(says(200, {})) as evil:
        line = asyncio.run(ask(server.address, evil.address.removeprefix("http://")))
    # Where even the decoded path has no slash, there is nothing.
    assert line.split()[1] == (b"400" if target.startswith("%") else b"404")
    assert server.requests == evil.requests == []


class _Slow:
    """A server that answers when it may."""

    def __init__(self) -> None:
        self.asked, self.may = asyncio.Semaphore(0), asyncio.Event()

    async def __call__(self, reader, writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = re.findall(rb"content-length: (\d+)", head.lower())
        await reader.readexactly(int(length))
        self.asked.release()
        await self.may.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    @asynccontextmanager
    async def behind(self, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the proxy before it."""
        async with await asyncio.start_server(self, "127.0.0.1", 0, backlog=500) as server:
            address = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
            async with _rest_proxy(address, folder) as client:
                yield client

    async def wait(self) -> None:
        """Waits for the next request."""
        await asyncio.wait_for(self.asked.acquire(), HANGS)


def test_requests_that_a_server_is_slow_to_answer_keep_no_other_waiting(tmp_path):
    async def ask():
        slow = _Slow()
        async with slow.behind(tmp_path) as client:
            waiting = [asyncio.create_task(client.post("/x", content=b"x")) for _ in range(150)]
            for _ in waiting:
                await slow.wait()
            slow.may.set()
            return {answer.status_code for answer in await asyncio.gather(*waiting)}

    assert asyncio.run(ask()) == {200}


def test_bodies_that_wait_take_so_much_memory_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(logging_proxy, "_MOST_HELD", 1000)

    async def ask():
        slow, body = _Slow(), bytes(600)
        async with slow.behind(tmp_path) as client:
            first = asyncio.create_task(client.post("/x", content=body))
            await slow.wait()
            refused = await client.post("/x", content=body)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            slow.may.set()
            assert (await first).status_code == 200
            assert (await client.post("/x", content=body)).status_code == 200

    asyncio.run(ask())


def test_over_grpc_what_is_no_prediction_of_ours_is_not_logged(tmp_path, caplog):
    request = predict_request(model_spec("m"), "", [IMAGE])
    good = _answer()
    overflowing, other, unknown = _answer(), _answer(), _answer()
    overflowing.outputs["in_distribution"].MergeFrom(_tensor(4, [1], int_val=[256]))
    other.outputs["confidence"].dtype = 99
    unknown.outputs["embedding"].dtype = 99  # is not decoded
    answers = [one.SerializeToString() for one in (overflowing, other, unknown, good)] + [b"\xff"]

    async def log():
        proxy_log = ProxyLog(RequestLog(tmp_path))
        for answer in answers:
            decode = partial(grpc_answered, request.SerializeToString(), answer, 0.1)
            await proxy_log.start(1, partial(proxy_log.in_thread, decode))
        await proxy_log.close()

    asyncio.run(log())
    gc.collect()  # asyncio then tells of failures
    assert _versions(tmp_path) == [4, 4]
    assert caplog.text == ""


def _tensor(dtype, shape, **values):
    tensor = type(PredictRequest().inputs["x"])(dtype=dtype, **values)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def _answer():
    """What version 4 answers of one image."""
    answer = PredictResponse(model_spec=model_spec("brain_mri", 4))
    for name, tensor in {
        "label": _tensor(7, [1], string_val=[b"x"]),
        "classes": _tensor(7, [1, 1], string_val=[b"x"]),
        "confidence": _tensor(1, [1], float_val=[1.0]),
        "probabilities": _tensor(1, [1, 1], float_val=[1.0]),
    }.items():
        answer.outputs[name].MergeFrom(tensor)
    return answer


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
        return _answer().SerializeToString()


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
    with pytest.raises(UsageError, match=says_so):
        parse_servers(*servers)


def test_the_command_says_what_is_missing(tmp_path):
    result = mri("serve", "log", "--work", str(tmp_path))
    assert result.returncode == 2
    assert "Name the model server" in result.stderr
