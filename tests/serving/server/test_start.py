"""Starting and ending: flags, ports, files, what is imported, what is drained."""

import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import psutil
import pytest
import tensorflow as tf
from model_server import Server, command, free_port, running_server, spec
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

pytestmark = pytest.mark.long

X = {"x": np.float32([2.0])}


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*flags), capture_output=True, text=True, timeout=60)


def test_it_answers_within_eight_seconds_and_requests_wait_for_the_first_load(toys, tmp_path):
    with running_server(tmp_path, f"--model_base_path={toys / 'half'}") as server:
        server.predict(X)
        elapsed = time.monotonic() - server.started
        # On a machine that does much else, what the server itself took counts.
        used = psutil.Process(server.process.pid).cpu_times()
        assert min(elapsed, used.user + used.system) < 8


def test_it_imports_no_tfx():
    code = (
        "import sys, serving.server.serve, serving.server.__main__, serving.server.listeners\n"
        "heavy = ('tfx', 'tfx_bsl', 'apache_beam', 'ml_metadata', 'tensorflow_transform',"
        " 'pipeline')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("flag", ["--port", "--rest_api_port"])
def test_a_port_in_use(toys, flag):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = "--port" if flag == "--rest_api_port" else "--rest_api_port"
        started = time.monotonic()
        done = run(f"--model_base_path={toys / 'half'}", f"{flag}={port}", f"{other}={free_port()}")
    assert done.returncode == 1
    assert f"Failed to start server. Error: Cannot listen on port {port}" in done.stderr
    assert time.monotonic() - started < 5
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ((), "Both --model_base_path and --model_config_file are empty."),
        (
            ("--model_basepath=/m",),
            "Unknown flag --model_basepath; did you mean --model_base_path?",
        ),
        (("--port=x",), "--port needs a number, not 'x'."),
        (("--port=99999",), "--port=99999 is not a port."),
        (("--port",), "--port needs a value."),
        (("--port=0", "--model_base_path=/m"), "Neither --port nor --grpc_socket_path"),
        (("--rest_api_port=8500", "--model_base_path=/m"), "cannot be the same as --port"),
        (("--enable_batching=perhaps",), "--enable_batching is true or false, not 'perhaps'."),
        (("--batching_parameters_file=b", "--model_base_path=/m"), "needs --enable_batching"),
        (("--ssl_config_file=s",), "--ssl_config_file is not offered by the embedded server"),
        (("--grpc_channel_arguments=a", "--model_base_path=/m"), "has 'a', which is not key=value"),
        (("model",), "'model' is not a flag"),
    ],
)
def test_wrong_flags(flags, text):
    done = run(*flags)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("--model_config_file", "improperly formatted"),
        ("--model_config_file", 'model_config_list { config { name: "a" base_path: "/a" } }'),
        ("--monitoring_config_file", "prometheus { }"),
        ("--enable_batching --batching_parameters_file", "max_batch_size { value: -1 }"),
    ],
)
def test_wrong_files(toys, tmp_path, name, text):
    path = tmp_path / "file.config"
    path.write_text(text)
    base = () if "model" in name else (f"--model_base_path={toys / 'half'}",)
    done = run(*base, f"--port={free_port()}", *name.split(), str(path))
    assert done.returncode == 1
    assert "Failed to start server. Error: " in done.stderr
    assert "Traceback" not in done.stderr
    if "improperly" in text:
        assert f"Invalid protobuf file: '{path}'" in done.stderr


def test_version():
    done = run("--version")
    assert (done.returncode, "TensorFlow Library: 2." in done.stdout) == (0, True)


def test_help_says_every_flag():
    done = run("--help")
    assert done.returncode == 0
    assert "--port=8500\n      gRPC port" in done.stdout
    assert "--request_log_seconds=60" in done.stdout


def test_flags_without_effect_are_said(server: Server):
    assert "--flush_filesystem_caches has no effect here" in server.log.read_text()


def test_only_this_machine_can_connect_unless_told_otherwise(server: Server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect(("192.0.2.1", 9))
        address = route.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no other address")
    for port in (server.port, server.rest_port):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, port), timeout=2)


def test_sigterm_under_load_drains(toys, tmp_path):
    """What was taken is answered, what comes later is UNAVAILABLE, and nothing else happens."""
    outcomes = []
    begun = threading.Semaphore(0)
    with running_server(tmp_path, f"--model_base_path={toys / 'heavy'}") as server:
        server.predict({"x": np.float32([1])})

        def ask_until_the_end(_) -> None:
            while True:
                begun.release()
                try:
                    server.predict({"x": np.float32([200])}, timeout=60)
                    outcomes.append("ok")
                except grpc.RpcError as error:
                    outcomes.append(error.code().name)
                    return

        with ThreadPoolExecutor(8) as clients:
            asking = clients.map(ask_until_the_end, range(8))
            for _ in range(16):
                begun.acquire()
            server.process.send_signal(signal.SIGTERM)
            list(asking)
        assert server.process.wait(30) == 0
        assert set(outcomes) == {"ok", "UNAVAILABLE"}
        assert outcomes.count("UNAVAILABLE") == 8
        assert "Traceback" not in server.log.read_text()


def test_a_request_longer_than_the_drain_is_cut_off(toys, tmp_path):
    flags = (f"--model_base_path={toys / 'heavy'}", "--drain_seconds=1")
    with running_server(tmp_path, *flags) as server:
        server.predict({"x": np.float32([1])})
        request = predict_pb2.PredictRequest(model_spec=spec("default"))
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([20_000])))
        long = server.predictions.Predict.future(request, 60)
        server.predict({"x": np.float32([1])})  # on the same connection: the first has come
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert isinstance(long.exception(), grpc.RpcError)
        assert server.process.wait(10) == 0
        assert time.monotonic() - started < 8
        assert "Ended with requests in flight" in server.log.read_text()


def test_five_hundred_open_connections(server: Server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    idle = [socket.create_connection(("127.0.0.1", server.rest_port)) for _ in range(400)]
    idle += [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    for half_sent in idle[:50]:
        half_sent.sendall(
            b"POST /v1/models/half:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{"
        )
    try:
        assert list(server.predict(X, "half").outputs["y"].float_val) == [3.0]
        assert server.rest("/v1/models/half:predict", {"instances": [2.0]})[0] == 200
    finally:
        for connection in idle:
            connection.close()
    assert server.rest("/v1/models/half:predict", {"instances": [2.0]})[0] == 200
    assert "Traceback" not in server.log.read_text()


def test_clients_that_vanish_harm_nobody(server: Server):
    """In the middle of their request, or before its answer, over REST and gRPC."""
    body = b'{"instances": [200.0]}'
    head = (
        f"POST /v1/models/heavy:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for port, sent in (
        *((server.rest_port, request[:end]) for end in (10, len(request) - 5, len(request))),
        *((server.port, http2[:end]) for end in (10, len(http2))),
    ):
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(sent)
            at_once = struct.pack("ii", 1, 0)
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    asked = predict_pb2.PredictRequest(model_spec=spec("heavy"))
    asked.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([1000])))
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.address, options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        left = [stub.Predict.future(asked, 60) for _ in range(2)]
        grpc.channel_ready_future(channel).result(10)
    assert {future.code() for future in left} == {grpc.StatusCode.CANCELLED}
    assert list(server.predict(X, "half").outputs["y"].float_val) == [3.0]
    assert server.rest("/v1/models/heavy:predict", {"instances": [1.0]})[0] == 200
    assert "Traceback" not in server.log.read_text()


def test_a_slow_rest_request_is_given_up(other: Server):
    status, text = other.rest("/v1/models/default:predict", {"instances": [3000.0]})
    assert (status, "Timed out" in text) == (504, True)
    with socket.create_connection(("127.0.0.1", other.rest_port)) as slow:
        slow.sendall(
            b"POST /v1/models/default:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"
        )
        slow.settimeout(5)
        assert slow.recv(100).startswith(b"HTTP/1.1 504")


def test_pages_of_other_origins_only_where_allowed(server: Server, other: Server):
    def allowed(port: int, name: str):
        url = f"http://127.0.0.1:{port}/v1/models/{name}"
        with urllib.request.urlopen(url) as response:
            return response.headers["Access-Control-Allow-Origin"]

    assert allowed(server.rest_port, "half") is None
    assert allowed(other.rest_port, "default") == "*"
    assert other.rest("/v1/models/default:predict", method="OPTIONS") == (200, "")
