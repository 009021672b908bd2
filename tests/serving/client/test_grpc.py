"""What a real server does only on bad days, and a proxy's TLS and token, over gRPC."""

import subprocess
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from clients import BOTH
from drawing import draw, encode
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.client import ServingError

IMAGE = encode(draw(1))
ANSWER = {
    "label": ["glioma"],
    "confidence": [0.75],
    "classes": [["glioma", "notumor"]],
    "probabilities": [[0.75, 0.25]],
}


class Fake(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Refuses with each of its codes in turn, then answers."""

    def __init__(self, *codes: grpc.StatusCode, hangs: bool = False) -> None:
        self.codes = list(codes)
        self.metadata: list[dict[str, str]] = []
        self.hangs = hangs
        self.over = threading.Event()

    def Predict(self, request, context):  # noqa: N802 - the protocol's
        self.metadata.append(dict(context.invocation_metadata()))
        if self.hangs:
            self.over.wait(60)  # so that a client without a deadline has an answer after all
        if self.codes:
            context.abort(self.codes.pop(0), "the reason")
        response = predict_pb2.PredictResponse()
        for name, value in ANSWER.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        response.model_spec.version.value = 7
        return response


@contextmanager
def _running(fake: Fake, certificate: Path | None = None, key: Path | None = None) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(fake, server)
    if certificate and key:
        pair = (key.read_bytes(), certificate.read_bytes())
        port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        fake.over.set()
        server.stop(0).wait()


@pytest.fixture(params=BOTH, ids=["sync", "async"])
def ask(request):
    return request.param


def test_only_unavailable_is_tried_again(ask):
    fake = Fake(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE)
    with _running(fake) as address:
        assert ask(address, lambda client: client.predict(IMAGE)).version == 7
    assert len(fake.metadata) == 3
    for code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED):
        fake = Fake(code)
        with _running(fake) as address:
            with pytest.raises(ServingError, match="the reason") as raised:
                ask(address, lambda client: client.predict(IMAGE))
        assert raised.value.code == code.name
        assert len(fake.metadata) == 1


def test_a_server_that_hangs_meets_the_deadline(ask):
    with _running(Fake(hangs=True)) as address, pytest.raises(ServingError) as raised:
        ask(address, lambda client: client.predict(IMAGE), timeout=0.3)
    assert raised.value.code == "DEADLINE_EXCEEDED"


def test_tls_and_a_token_for_a_proxy(ask, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
         "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    fake = Fake()
    with _running(fake, certificate, key) as address:
        access = {"token": "secret", "metadata": {"X-Site": "7"}, "ca": certificate}
        secure = f"grpcs://{address}"
        assert ask(secure, lambda client: client.predict(IMAGE), **access).label == "glioma"
        with pytest.raises(ServingError) as raised:
            ask(secure, lambda client: client.predict(IMAGE), attempts=1)
    assert raised.value.code == "UNAVAILABLE"
    [metadata] = fake.metadata
    assert metadata["authorization"] == "Bearer secret"
    assert metadata["x-site"] == "7"
