"""Starting and ending: flags, ports, files, what is imported, what is drained."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
from contextlib import ExitStack

import gates
import grpc
import numpy as np
import pytest
import tensorflow as tf
from gates import Gate, past
from model_server import HANGS, Server, command, ended, free_port, running_server, spec, wait_until
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from serving.server.__main__ import main

pytestmark = pytest.mark.long

X = {"x": np.float32([2.0])}


def test_requests_wait_for_the_first_load(toys, tmp_path):
    extras = tmp_path / "m" / "1" / "assets.extra"
    shutil.copytree(toys / "held" / "1", extras.parent)
    extras.mkdir()
    with Gate(tmp_path / "gate") as gate:
        record = prediction_log_pb2.PredictionLog()
        warm_up = record.predict_log.request
        warm_up.model_spec.name = "any"
        warm_up.inputs["gate"].CopyFrom(tf.make_tensor_proto(gate.rows()["gate"]))
        with tf.io.TFRecordWriter(str(extras / "tf_serving_warmup_requests")) as writer:
            writer.write(record.SerializeToString())
        with running_server(tmp_path, f"--model_base_path={tmp_path / 'm'}", gates.ROOM) as server:
            gate.reached()
            early = server.ask(past())
            assert server.status() == {1: "LOADING"}  # on the same connection: the first has come
            assert not early.done()
            gate.open()
            assert list(early.result().outputs["size"].int_val) == [1]


def test_it_imports_neither_tfx_nor_keras():
    code = (
        "import sys, serving.server.__main__, serving.server.listeners\n"
        "serving.server.__main__.import_server()\n"
        "heavy = ('tfx', 'tfx_bsl', 'apache_beam', 'ml_metadata', 'tensorflow_transform',"
        " 'keras', 'pipeline', 'mri')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=HANGS
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("flag", ["--port", "--rest_api_port"])
def test_a_port_in_use(tmp_path, flag):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = "--port" if flag == "--rest_api_port" else "--rest_api_port"
        code, text = ended(
            tmp_path, "--model_base_path=/m", f"{flag}={port}", f"{other}={free_port()}"
        )
    assert code == 1
    assert f"Failed to start server. Error: Cannot listen on port {port}" in text
    assert "Traceback" not in text


def test_what_is_wrong_is_said_before_what_takes_long_is_imported():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command(f"--port={free_port()}", f"--rest_api_port={port}", "--model_base_path=/m"),
            capture_output=True,
            text=True,
            timeout=HANGS,
            env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
        )
    assert done.returncode == 1
    assert f"Failed to start server. Error: Cannot listen on port {port}" in done.stderr
    imported = re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)
    assert "serving.server.listeners" in imported
    assert "tensorflow" not in imported


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ((), "Both --model_base_path and --model_config_file are empty."),
        (
            ("--model_basepath=/m",),
            "Unknown flag --model_basepath; did you mean '--model_base_path'?",
        ),
        (("--port=x",), "--port: invalid int value: 'x'."),
        (("--port=99999",), "--port=99999 is not a port."),
        (("--port",), "--port: expected one argument."),
        (("--port=0", "--model_base_path=/m"), "Neither --port nor --grpc_socket_path"),
        (("--rest_api_port=8500", "--model_base_path=/m"), "cannot be the same as --port"),
        (("--enable_batching=perhaps",), "--enable_batching: 'perhaps' is neither true nor false."),
        (("--batching_parameters_file=b", "--model_base_path=/m"), "needs --enable_batching"),
        (("--ssl_config_file=s",), "--ssl_config_file is not offered by the embedded server"),
        (("--grpc_channel_arguments=a", "--model_base_path=/m"), "has 'a', which is not key=value"),
        (("model",), "'model' is not a flag"),
    ],
)
def test_wrong_flags(flags, text, capsys):
    assert main(flags) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("--model_config_file", "improperly formatted"),
        ("--model_config_file", 'model_config_list { config { name: "a" base_path: "/a" } }'),
        ("--monitoring_config_file", "prometheus { }"),
        ("--enable_batching --batching_parameters_file", "max_batch_size { value: -1 }"),
    ],
)
def test_wrong_files(tmp_path, capsys, name, text):
    path = tmp_path / "file.config"
    path.write_text(text)
    base = () if "model" in name else ("--model_base_path=/m",)
    assert main([*base, *name.split(), str(path)]) == 2
    said = capsys.readouterr().err
    assert "Failed to start server. Error: " in said
    if "improperly" in text:
        assert f"Invalid protobuf file: '{path}'" in said


def test_version(capsys):
    assert main(["--version"]) == 0
    assert "TensorFlow Library: 2." in capsys.readouterr().out


def test_help_says_every_flag(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "--port=8500\n      gRPC port" in said
    assert "--request_log_seconds=60" in said


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
            socket.create_connection((address, port), timeout=HANGS)


def test_sigterm_under_load_drains(toys, tmp_path):
    """What was taken is answered, what comes later is UNAVAILABLE, and nothing else happens."""
    flags = (f"--model_base_path={toys / 'held'}", f"--drain_seconds={HANGS:.0f}", gates.ROOM)
    with running_server(tmp_path, *flags) as server, ExitStack() as stack:
        held = [stack.enter_context(Gate(tmp_path / f"gate-{number}")) for number in range(3)]
        taken = [server.ask(gate.rows()) for gate in held]
        for gate in held:
            gate.reached()
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "Ending: requests in flight" in server.log.read_text())
        late = [server.ask(past()) for _ in range(8)]
        assert {request.code() for request in late} == {grpc.StatusCode.UNAVAILABLE}
        for gate, request in zip(held, taken, strict=True):
            assert not request.done()
            gate.open()
            assert request.code() is grpc.StatusCode.OK
            # Whoever has an answer asks again at once, the last one while the server ends.
            assert server.ask(past()).code() is grpc.StatusCode.UNAVAILABLE
        assert server.process.wait(HANGS) == 0
        text = server.log.read_text()
        assert "Traceback" not in text
        assert "Ended with requests in flight" not in text


def test_a_request_longer_than_the_drain_is_cut_off(toys, tmp_path):
    flags = (f"--model_base_path={toys / 'held'}", "--drain_seconds=1", gates.ROOM)
    with running_server(tmp_path, *flags) as server, Gate(tmp_path / "gate") as gate:
        long = server.ask(gate.rows())
        gate.reached()
        server.process.send_signal(signal.SIGTERM)
        # The gate stays closed: that it ends at all is because it was cut off.
        assert isinstance(long.exception(), grpc.RpcError)
        assert server.process.wait(HANGS) == 0
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


def test_clients_that_vanish_harm_nobody(server: Server, tmp_path):
    """In the middle of their request, or before its answer, over REST and gRPC."""
    http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    with Gate(tmp_path / "rest") as gate:
        request = rest_request("held", str(gate.folder))
        for port, sent, held in (
            *((server.rest_port, request[:end], False) for end in (10, len(request) - 5)),
            (server.rest_port, request, True),
            *((server.port, http2[:end], False) for end in (10, len(http2))),
        ):
            with socket.create_connection(("127.0.0.1", port)) as leaving:
                leaving.sendall(sent)
                if held:
                    gate.reached()
                at_once = struct.pack("ii", 1, 0)
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    with Gate(tmp_path / "grpc") as gate:
        asked = predict_pb2.PredictRequest(model_spec=spec("held"))
        asked.inputs["gate"].CopyFrom(tf.make_tensor_proto(gate.rows()["gate"]))
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(server.address, options) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            left = [stub.Predict.future(asked, HANGS) for _ in range(2)]
            gate.reached()
        assert {future.code() for future in left} == {grpc.StatusCode.CANCELLED}
        assert list(server.predict(X, "half").outputs["y"].float_val) == [3.0]
    assert server.rest("/v1/models/held:predict", {"instances": [""]})[0] == 200
    assert "Traceback" not in server.log.read_text()


def rest_request(model: str, gate: str) -> bytes:
    """A whole request, to be sent by hand."""
    body = json.dumps({"instances": [gate]}).encode()
    head = f"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def test_a_slow_rest_request_is_given_up(toys, tmp_path):
    flags = (f"--model_base_path={toys / 'held'}", "--rest_api_timeout_in_ms=200", gates.ROOM)
    with running_server(tmp_path, *flags) as server, Gate(tmp_path / "gate") as gate:
        server.wait_for({1: "AVAILABLE"})
        body = {"instances": [str(gate.folder)]}
        status, text = server.rest("/v1/models/default:predict", body)
        assert (status, "Timed out" in text) == (504, True)
        with socket.create_connection(("127.0.0.1", server.rest_port)) as slow:
            slow.sendall(rest_request("default", str(gate.folder))[:-1])
            slow.settimeout(HANGS)
            assert slow.recv(100).startswith(b"HTTP/1.1 504")


def test_pages_of_other_origins_only_where_allowed(server: Server, other: Server):
    def allowed(port: int, name: str):
        url = f"http://127.0.0.1:{port}/v1/models/{name}"
        with urllib.request.urlopen(url) as response:
            return response.headers["Access-Control-Allow-Origin"]

    assert allowed(server.rest_port, "half") is None
    assert allowed(other.rest_port, "default") == "*"
    assert other.rest("/v1/models/default:predict", method="OPTIONS") == (200, "")
