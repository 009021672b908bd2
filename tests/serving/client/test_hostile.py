"""Servers that are none, or that lie: a clear error that names the address, and no crash."""

import base64
import gzip
import json
import socket
import threading
from concurrent import futures
from contextlib import contextmanager

import grpc
import numpy as np
import pytest
import tensorflow as tf
from clients import BOTH
from drawing import draw, encode
from fake_server import ROW, running, says
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from components.errors import PipelineError
from serving.client import ImageError, ServingError

pytestmark = pytest.mark.long

IMAGE = encode(draw(1))


@pytest.fixture(params=BOTH, ids=["sync", "async"])
def ask(request):
    return request.param


def _predict(client):
    return client.predict(IMAGE)


def _explain(client):
    return client.explain(IMAGE)


def _status(client):
    return client.status()


def _refused(ask, address, call=_predict, **options):
    with pytest.raises(ServingError) as raised:
        ask(address, call, **options)
    assert address in str(raised.value)
    assert len(str(raised.value)) < 1500
    return raised.value


def _row(**values):
    return json.dumps({"predictions": [{**ROW, **values}]}).encode()


_WHOLE = {"heatmap": [[0, 1]], "crop_box": [0, 0, 1, 1], "overlay_bytes": {"b64": "AA=="}}


@pytest.mark.parametrize(
    ("content", "says_so"),
    [
        (b'{"predictions": [{"label": "x"}]}', "no confidence, classes, probabilities"),
        (_row(confidence=float("nan")), "confidence"),
        (_row(probabilities=[0.5, float("inf")]), "probabilities"),
        (_row(probabilities=[1.5, -0.5]), "probabilities"),
        (_row(probabilities=[0.5]), "2 classes and 1 probabilities"),
        (_row(probabilities=[]), "probabilities"),
        (_row(probabilities=0.5), "probabilities"),
        (_row(classes=[["glioma"], ["notumor"]]), "classes"),
        (_row(classes=["glioma", "glioma"]), "a class twice"),
        (_row(classes={}), "classes"),
        (_row(label=["glioma"]), "label"),
        (_row(label="other"), "is not one of the classes"),
        (_row(label={"b64": "///"}), "base64"),
        (_row(label={"b64": "/w=="}), "label"),
        (_row(confidence="high"), "confidence"),
        (_row(in_distribution="perhaps"), "in_distribution"),
        (_row(ood_score=float("nan")), "ood_score"),
        (_row(reasons=[1]), "reasons"),
        (_row(prediction_set=[True]), "2 classes and 1 flags"),
        (_row(prediction_set="glioma"), "prediction_set"),
        (_row(set_level=2), "set_level"),
        (b'{"predictions": [1, 2]}', "no predictions by name"),
        (json.dumps({"predictions": [ROW, ROW]}).encode(), "2 rows for 1 image"),
        (b"[" * 100_000, "not a JSON object"),
        (b'{"predictions": ' + b"[" * 100_000, "not a JSON object"),
    ],
)
def test_an_answer_over_rest_that_makes_no_sense(ask, content, says_so):
    with running(says(200, content)) as server:
        assert says_so in str(_refused(ask, server.address))


@pytest.mark.parametrize(
    "values",
    [{"heatmap": [[0, 1], [1]]}, {"heatmap": [0, 1]}, {"heatmap": [[float("nan")]]},
     {"heatmap": "x"}, {"heatmap": [[None]]}, {"heatmap": []}, {"crop_box": [1, 2, 3]},
     {"crop_box": [0, 0, 1, float("nan")]}, {"crop_box": 1}, {"overlay_bytes": 7},
     {"overlay_bytes": {"b64": "!"}}],
)  # fmt: skip
def test_an_explanation_that_makes_no_sense(ask, values):
    content = _row(**{**_WHOLE, **values})
    with running(says(200, content)) as server:
        error = _refused(ask, server.address, _explain)
    assert "base64" in str(error) or next(iter(values)) in str(error)


def test_a_row_that_makes_no_sense_costs_that_image_alone(ask):
    rows = {"predictions": [ROW, {**ROW, "confidence": float("nan")}, ROW]}
    with running(says(200, rows)) as server:
        results = ask(server.address, lambda client: client.predict_batch([IMAGE] * 3))
    assert [type(one).__name__ for one in results] == ["Prediction", "ServingError", "Prediction"]
    assert server.address in str(results[1])


@pytest.mark.parametrize(
    ("status", "code"),
    [(200, "UNKNOWN"), (302, "UNKNOWN"), (404, "NOT_FOUND"), (502, "UNAVAILABLE")],
)
def test_the_page_of_a_proxy_is_no_answer(ask, status, code):
    page = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
    with running(says(status, page)) as server:
        for call in (_predict, _status):
            error = _refused(ask, server.address, call, attempts=1)
            assert error.code == code
            assert "<" not in str(error)
            if status != 200:
                assert f"HTTP status {status}" in str(error)


def test_what_a_server_says_stays_on_one_line(ask):
    said = {"error": "a\n\tb\x1b[31m\u202ec" + "x" * 100_000}
    with running(says(400, said)) as server:
        error = _refused(ask, server.address)
    assert error.detail.startswith("a b")
    assert error.detail.isprintable()


def _packed(handler, _):
    content = gzip.compress(bytes(200_000_000), 9)
    handler.send_response(200)
    handler.send_header("content-encoding", "gzip")
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def _damaged(handler, _):
    handler.send_response(200)
    handler.send_header("content-encoding", "gzip")
    handler.send_header("content-length", "4")
    handler.end_headers()
    handler.wfile.write(b"none")


class _Endless:
    def __init__(self):
        self.sent = 0

    def __call__(self, handler, _):
        handler.send_response(200)
        handler.send_header("content-length", str(10**12))
        handler.end_headers()
        try:
            while self.sent < 2_000_000_000:
                handler.wfile.write(bytes(1_000_000))
                self.sent += 1_000_000
        except OSError:
            handler.close_connection = True


def test_a_body_without_end_is_not_read_to_its_end(ask):
    endless = _Endless()
    with running(endless) as server:
        error = _refused(ask, server.address)
    assert error.code == "RESOURCE_EXHAUSTED"
    assert endless.sent < 100_000_000
    with running(_packed) as server:
        assert _refused(ask, server.address).code == "RESOURCE_EXHAUSTED"


def test_a_damaged_body_is_no_answer(ask):
    with running(_damaged) as server:
        assert _refused(ask, server.address).code == "UNKNOWN"


def test_states_that_make_no_sense(ask):
    for content in (b'{"model_version_status": 7}', b'{"model_version_status": [{"version": {}}]}'):
        with running(says(200, content)) as server:
            assert "not a model status" in str(_refused(ask, server.address, _status))


# gRPC


def _tensors(**values):
    response = predict_pb2.PredictResponse()
    for name, value in {key: [one] for key, one in ROW.items()}.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    for name, value in values.items():
        response.outputs[name].CopyFrom(
            value if isinstance(value, TensorProto) else tf.make_tensor_proto(value)
        )
    return response


def _shaped(*sizes, dtype=tf.float32, **fields):
    proto = TensorProto(dtype=dtype.as_datatype_enum, **fields)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    return proto


class _Says(grpc.GenericRpcHandler):
    def __init__(self, content):
        self.content = content

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self.content)


@contextmanager
def _speaking(content):
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_Says(content),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@pytest.mark.parametrize(
    ("response", "says_so"),
    [
        (predict_pb2.PredictResponse(), "no label"),
        (_tensors(confidence=0.5), "confidence"),
        (_tensors(confidence=[0.5, 0.5]), "2 rows for 1 image"),
        (_tensors(confidence=[float("nan")]), "confidence"),
        (_tensors(probabilities=[0.5]), "probabilities"),
        (_tensors(classes=[[1, 2]]), "classes"),
        (_tensors(classes=[[b"\xff", b"x"]]), "classes"),
        (_tensors(label=[7]), "label"),
        (_tensors(confidence=_shaped(1 << 40, float_val=[1.0])), "confidence"),
        (_tensors(confidence=_shaped(-1, float_val=[1.0])), "confidence"),
        (_tensors(confidence=_shaped(4, tensor_content=b"xyz")), "confidence"),
        (_tensors(confidence=_shaped(1, float_val=[1.0, 2.0, 3.0])), "confidence"),
        (_tensors(confidence=_shaped(1, dtype=tf.variant)), "confidence"),
        (_tensors(confidence=_shaped(1, dtype=tf.complex64, scomplex_val=[1, 1])), "confidence"),
    ],
    ids=range(14),
)
def test_an_answer_over_grpc_that_makes_no_sense(ask, response, says_so):
    with _speaking(response.SerializeToString()) as address:
        assert says_so in str(_refused(ask, address))


def test_bytes_that_are_no_message(ask):
    with _speaking(b"\xff\xff\xff") as address:
        for call in (_predict, _status):
            _refused(ask, address, call)


def test_an_answer_over_grpc_is_bounded(ask):
    with _speaking(_tensors(extra=np.zeros(20_000_000)).SerializeToString()) as address:
        assert _refused(ask, address).code == "RESOURCE_EXHAUSTED"


def test_a_state_that_nobody_knows(ask):
    response = get_model_status_pb2.GetModelStatusResponse()
    response.model_version_status.add(version=3, state=1234)
    with _speaking(response.SerializeToString()) as address:
        [status] = ask(address, _status)
    assert (status.version, status.state) == (3, "1234")


# What is no server of the protocol at all


@contextmanager
def _blurting(content):
    """Something that says one thing to everybody and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(content)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_what_speaks_another_protocol(ask):
    with _blurting(b"SSH-2.0-OpenSSH_9.6\r\n\r\n") as address:
        assert "does not speak REST" in str(_refused(ask, f"http://{address}", attempts=1))
        with pytest.raises(ServingError, match="does not speak gRPC"):
            ask(f"grpc://{address}", _predict, attempts=1)


def test_bad_images_are_never_sent(ask):
    with running(says(200, {})) as server:
        with pytest.raises(ImageError):
            ask(server.address, lambda client: client.predict(base64.b64encode(IMAGE)))
    assert not server.requests


def test_a_token_with_a_line_end_is_refused_in_words(ask):
    for secret in (
        {"token": "secret\n"},
        {"metadata": {"x-site": "é"}},
        {"metadata": {"a b": "c"}},
    ):
        with pytest.raises(PipelineError, match="cannot be sent as a header") as raised:
            ask("http://localhost", _predict, **secret)
        assert "secret" not in str(raised.value)
