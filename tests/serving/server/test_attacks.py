"""What a few clients send so that the others get no answer; sent to a real server process.

What others wait is counted in their requests: so many were answered before the attack was.
"""

import asyncio
import gzip
import json
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import gates
import grpc
import numpy as np
import pytest
import toy_servables
from model_server import HANGS, Server, running_server, spec, write_config
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, predict_pb2

from serving.server.configuration import ServedModelConfig
from serving.server.core import ServerCore
from serving.server.lifecycle import Lifecycle

pytestmark = pytest.mark.long

X = {"x": np.float32([2.0])}
PREDICT = "/v1/models/half:predict"
METRICS = "/monitoring/prometheus/metrics"
MOST_MEMORY = 2 * 10**9
"""Bytes that the server may take beside its models, whatever is sent."""
MOST_KEPT = 600 * 10**6
"""Bytes of it that the server may still have when all attacks are over."""
ANSWERED = 10
"""Requests of others that are answered while one large request is."""

T = TypeVar("T")


@pytest.fixture(scope="module")
def attacked(toys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("attacked")
    names = ("half", "types", "bytes", "held")
    (folder / "monitoring").write_text("prometheus_config { enable: true }")
    config = write_config(folder / "models", {name: toys / name for name in names})
    flags = (f"--model_config_file={config}", f"--monitoring_config_file={folder}/monitoring")
    with running_server(folder, *flags, gates.ROOM) as running:
        for name in names:
            running.wait_for({123 if name == "half" else 1: "AVAILABLE"}, name)
        yield running


@pytest.fixture(scope="module")
def _at_first(attacked: Server) -> int:
    """The server's memory before the first attack, in bytes."""
    return memory(attacked.process.pid, "VmRSS")


@pytest.fixture(autouse=True)
def _memory(request: pytest.FixtureRequest) -> Iterator[None]:
    """The server's memory stays below the limit in every test that attacks it."""
    if "attacked" not in request.fixturenames:
        yield
        return
    pid = request.getfixturevalue("attacked").process.pid
    before = request.getfixturevalue("_at_first")
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    yield
    assert memory(pid, "VmHWM") - before < MOST_MEMORY
    assert memory(pid, "VmRSS") - before < MOST_KEPT


def memory(pid: int, of: str) -> int:
    """Bytes, as the kernel counts them."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{of}:"))


def beside(server: Server, attack: Callable[[], T]) -> tuple[T, int]:
    """What an attack gets, and how many requests of another client are answered meanwhile."""
    with ThreadPoolExecutor(1) as other:
        attacking = other.submit(attack)
        answered = 0
        while not attacking.done():
            assert list(server.predict(X, "half").outputs["y"].float_val) == [3.0]
            answered += 1
        return attacking.result(), answered


def head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


def test_forty_bytes_that_stand_for_sixty_million_numbers(attacked: Server):
    request = predict_pb2.PredictRequest(model_spec=spec("half"))
    tensor = request.inputs["x"]
    tensor.dtype = 1
    tensor.float_val.append(1.0)
    tensor.tensor_shape.dim.add(size=60_000_000)
    assert request.ByteSize() < 50

    def ask() -> set[grpc.StatusCode]:
        return {attacked.predictions.Predict.future(request).code() for _ in range(3)}

    codes, _ = beside(attacked, ask)
    assert codes == {grpc.StatusCode.INVALID_ARGUMENT}


@pytest.mark.parametrize("value", [b"[],", b"0,", b"{},", b'"",'])
def test_a_small_body_that_unpacks_to_a_large_one(attacked: Server, value):
    text = b'{"instances": [' + value * (80_000_000 // len(value)) + b"0]}"
    body = gzip.compress(text, 6)
    assert len(body) < 400_000
    (status, _), _ = beside(
        attacked, lambda: attacked.rest(PREDICT, body, headers={"Content-Encoding": "gzip"})
    )
    assert status == 400


def test_others_are_answered_while_a_large_body_is_read(attacked: Server):
    rows = json.dumps({"instances": [0.125] * 1_000_000}).encode()
    (status, _), answered = beside(attacked, lambda: attacked.rest(PREDICT, rows))
    assert status == 200
    assert answered >= ANSWERED


def _asked_together(server: Server, count: int, body: bytes, **options: object) -> list[int]:
    """What each of some clients gets that send the same at the same time."""
    with ThreadPoolExecutor(count) as clients:
        asked = [clients.submit(server.rest, PREDICT, body, **options) for _ in range(count)]
        return [one.result()[0] for one in asked]


def test_many_small_bodies_that_unpack_to_large_ones_are_unpacked_one_after_the_other(
    attacked: Server,
):
    body = gzip.compress(b'{"instances": [0]}' + b" " * 200_000_000, 6)
    packed = {"headers": {"Content-Encoding": "gzip"}}
    assert set(_asked_together(attacked, 12, body, **packed)) == {200}


def uneven(size: int = 8_000_000) -> bytes:
    """A body of rows that differ in length, the last one from all others."""
    row = json.dumps([0.25] * 10)
    return f'{{"instances": [{", ".join([row] * (size // len(row)))}, [1.0]]}}'.encode()


def test_others_are_answered_while_rows_that_differ_are_read(attacked: Server):
    body = uneven()

    statuses, answered = beside(attacked, lambda: _asked_together(attacked, 7, body))
    assert statuses == [400] * 7
    assert answered >= 7 * ANSWERED


def test_a_version_is_taken_up_while_large_bodies_wait(toys, tmp_path):
    """And the server ends though they are still being read."""
    body = uneven()
    for version in (1, 2):
        toy_servables.write_half_plus(tmp_path / "staged" / str(version))
    (tmp_path / "m").mkdir()
    (tmp_path / "staged" / "1").rename(tmp_path / "m" / "1")
    flags = (f"--model_base_path={tmp_path / 'm'}", "--drain_seconds=1")
    with running_server(tmp_path, *flags) as server, ThreadPoolExecutor(40) as clients:
        server.wait_for({1: "AVAILABLE"})
        attacks = [clients.submit(status_of, server, body) for _ in range(40)]
        (tmp_path / "staged" / "2").rename(tmp_path / "m" / "2")
        server.wait_for({2: "AVAILABLE"})
        assert sum(attack.done() for attack in attacks) < 30
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(HANGS) == 0
        assert {attack.result() for attack in attacks} <= {400, 503, None}
        assert sum(attack.result() == 400 for attack in attacks) < 35
        assert "Traceback" not in server.log.read_text()


def status_of(server: Server, body: bytes) -> int | None:
    """What a request gets; None: nothing, as the server ends before it is read."""
    with suppress(OSError):
        return server.rest("/v1/models/default:predict", body)[0]
    return None


def test_a_signature_name_that_is_no_text_is_shown_without_the_document(attacked: Server):
    body = json.dumps({"signature_name": 1, "instances": [0.125] * 4_000_000}).encode()
    (status, text), answered = beside(attacked, lambda: attacked.rest(PREDICT, body))
    assert status == 400
    assert "'signature_name' key must be a string value" in text
    assert len(text) < 256 + 200
    assert answered >= ANSWERED


def test_sixteen_thousand_pending_calls_are_all_answered(attacked: Server):
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec("half"))
    message = request.SerializeToString()
    with grpc.insecure_channel(attacked.address, [("grpc.use_local_subchannel_pool", 1)]) as own:
        ask = own.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")
        calls = [ask.future(message) for _ in range(16_500)]
        assert {call.code() for call in calls} == {grpc.StatusCode.OK}


@pytest.fixture(scope="module")
def hurried(toys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives a REST request one second."""
    flags = (f"--model_base_path={toys / 'half'}", "--rest_api_timeout_in_ms=1000")
    with running_server(tmp_path_factory.mktemp("hurried"), *flags) as running:
        running.wait_for({123: "AVAILABLE"})
        yield running


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"GET /v1/models/default HTTP/1.1\r\n",
        b"GET /v1/models/default HTTP/1.1\r\nHost: a\r\n\r\nGET /v1/models/default HTTP/1.1\r\n",
    ],
)
def test_headers_that_never_end(hurried: Server, first):
    assert drips_until_closed(hurried, first, b"a: b\r\n")


@pytest.mark.parametrize("path", ["/v1/models/default:predict", "/nowhere"])
def test_a_body_that_never_ends(hurried: Server, path):
    first = head(path, "Transfer-Encoding: chunked")
    assert drips_until_closed(hurried, first, b"1\r\n \r\n")


def drips_until_closed(server: Server, first: bytes, drop: bytes) -> bool:
    """Whether the server hangs up on a client that sends a few bytes now and then."""
    with socket.create_connection(("127.0.0.1", server.rest_port)) as slow:
        slow.settimeout(0.1)
        slow.sendall(first)
        for _ in range(200):
            try:
                slow.sendall(drop)
                while slow.recv(1000):
                    pass
            except TimeoutError:
                continue
            except OSError:
                return True
            return True
    return False


def test_who_sends_nothing_is_hung_up_on(hurried: Server):
    with socket.create_connection(("127.0.0.1", hurried.rest_port), timeout=20) as silent:
        assert silent.recv(1) == b""


@pytest.mark.parametrize("size", [2**32, 2**31, 2**28 + 1])
def test_a_body_that_is_said_to_be_too_large_is_not_waited_for(attacked: Server, size):
    with socket.create_connection(("127.0.0.1", attacked.rest_port), timeout=20) as client:
        client.sendall(head(PREDICT, f"Content-Length: {size}"))
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_body_without_length_is_read_up_to_a_limit(attacked: Server):
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    with socket.create_connection(("127.0.0.1", attacked.rest_port), timeout=HANGS) as client:
        client.sendall(head(PREDICT, "Transfer-Encoding: chunked"))
        for _ in range(300):
            client.sendall(chunk)
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def test_no_file_descriptor_left(toys, tmp_path):
    with running_server(tmp_path, f"--model_base_path={toys / 'half'}") as server:
        server.wait_for({123: "AVAILABLE"})
        pid = server.process.pid
        room = len(list(Path(f"/proc/{pid}/fd").iterdir())) + 10
        before = len(server.log.read_text())
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (room, 20_000))
        idle = [
            socket.create_connection(("127.0.0.1", port))
            for port in [server.rest_port, server.port] * 50
        ]
        end = time.monotonic() + 5  # accepting is tried again each second
        while time.monotonic() < end:
            assert server.status() == {123: "AVAILABLE"}
        for connection in idle:
            connection.close()
        assert server.rest("/v1/models/default:predict", {"instances": [2.0]})[0] == 200
        with grpc.insecure_channel(
            server.address, [("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            grpc.channel_ready_future(channel).result(HANGS)
        said = server.log.read_text()[before:]
        assert "Too many open files" in said
        assert len(said.splitlines()) <= 3
        assert "Traceback" not in said


def test_a_base_path_with_a_nul_is_refused(attacked: Server):
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.config.add(
        name="nul", base_path="/a\0b", model_platform="tensorflow"
    )
    with pytest.raises(grpc.RpcError) as caught:
        attacked.models.HandleReloadConfigRequest(request, HANGS)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "The base_path of model nul holds a NUL character" in caught.value.details()
    assert attacked.predict(X, "half").model_spec.version.value == 123


def test_a_model_whose_folder_cannot_be_looked_at_keeps_no_other_from_it(tmp_path):
    (tmp_path / "good" / "1").mkdir(parents=True)
    models = {
        name: ServedModelConfig(name, path)
        for name, path in {"bad": Path("/a\0b"), "good": tmp_path / "good"}.items()
    }
    loaded = []

    async def scene() -> None:
        core = ServerCore(Lifecycle(lambda name, *_: loaded.append(name), retries=0))
        reloading = asyncio.create_task(core.reload(models))
        while not loaded:
            await asyncio.sleep(0)  # a turn of the loop
        reloading.cancel()

    asyncio.run(asyncio.wait_for(scene(), HANGS))
    assert loaded == ["good"]


def test_names_that_clients_invent_share_one_series(attacked: Server):
    for number in range(1_001):
        with pytest.raises(grpc.RpcError):
            attacked.predict({}, f"invented-{number}")
    attacked.predict(X, "half", "two")
    text = attacked.rest(METRICS)[1]
    assert 'request_count{model_name="half",status="OK"}' in text
    assert "invented" not in text
    assert text.count('status="NOT_FOUND"') == 1


def test_a_long_error_is_cut_where_grpc_counts(attacked: Server):
    with pytest.raises(grpc.RpcError) as caught:
        attacked.predict(X, "half", "é" * 3000)
    text = caught.value.details()
    assert 1022 <= len(text.removesuffix("...TRUNCATED").encode()) <= 1024
    assert text.endswith("é...TRUNCATED")


def test_what_is_no_message_is_refused_without_a_traceback(attacked: Server):
    before = len(attacked.log.read_text())
    for service, method in (
        ("PredictionService", "Predict"),
        ("PredictionService", "MultiInference"),
        ("ModelService", "HandleReloadConfigRequest"),
    ):
        ask = attacked.channel.unary_unary(f"/tensorflow.serving.{service}/{method}")
        for _ in range(20):
            with pytest.raises(grpc.RpcError) as caught:
                ask(b"\xff" * 50, HANGS)
            assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "Traceback" not in attacked.log.read_text()[before:]


def test_large_messages_are_read_beside_the_others(attacked: Server):
    request = predict_pb2.PredictRequest(model_spec=spec("bytes"))
    tensor = request.inputs["image_bytes"]
    tensor.dtype = 7
    tensor.tensor_shape.dim.add(size=400_000)
    tensor.string_val.extend([b"abc"] * 400_000)

    def ask() -> set[grpc.StatusCode]:
        calls = [attacked.predictions.Predict.future(request) for _ in range(4)]
        return {call.code() for call in calls}

    codes, answered = beside(attacked, ask)
    assert codes == {grpc.StatusCode.OK}
    assert answered >= ANSWERED
