import base64
import json
import math
import socket
import subprocess
import sys

import numpy as np
import pytest
from clients import BOTH
from drawing import draw, encode
from fake_server import ROW, drips, hangs_up, predicts, running, says

from components.errors import PipelineError
from serving.client import Client, ServingError
from serving.client.address import Address

IMAGE = encode(draw(1))


def test_a_result_has_names_and_types():
    with running(predicts) as server, Client(server.address) as client:
        result = client.predict(IMAGE)
    assert (result.label, result.confidence) == ("glioma", 0.75)
    assert result.probabilities == {"glioma": 0.75, "notumor": 0.25}
    assert (result.in_distribution, result.refer, result.version) == (None, None, None)
    assert (result.reasons, result.prediction_set, result.set_level) == (None, None, None)
    [(path, _, body)] = server.requests
    assert path == "/v1/models/brain_mri:predict"
    sent = json.loads(body)
    assert sent["signature_name"] == "serving_default"
    assert base64.b64decode(sent["instances"][0]["b64"]) == IMAGE


def test_a_prediction_set_names_its_classes_the_likeliest_first():
    row = {**ROW, "probabilities": [0.25, 0.75], "label": "notumor", "prediction_set": [True] * 2,
           "set_level": 0.8999999761581421}  # fmt: skip
    with running(says(200, {"predictions": [row]})) as server, Client(server.address) as client:
        result = client.predict(IMAGE)
    assert (result.prediction_set, result.set_level) == (("notumor", "glioma"), 0.9)


def _columns(png):
    return int.from_bytes(png[16:20], "big")


def test_images_go_in_batches_and_come_back_in_order():
    def by_length(handler, body):
        rows = [
            {**ROW, "confidence": _columns(base64.b64decode(one["b64"])) / 100}
            for one in json.loads(body)["instances"]
        ]
        says(200, {"predictions": rows})(handler, body)

    images = [encode(draw(1, (9, columns))) for columns in range(11, 18)]
    with running(by_length) as server, Client(server.address, batch_size=3) as client:
        results = client.predict_batch(images)
        assert client.predict_batch([]) == []
    assert [result.confidence for result in results] == [n / 100 for n in range(11, 18)]
    sizes = [len(json.loads(body)["instances"]) for _, _, body in server.requests]
    assert sorted(sizes) == [1, 3, 3]


def test_an_explanation_has_a_heatmap_and_an_overlay():
    row = {
        **ROW,
        "heatmap": [[0, 1], [0.5, 0.25]],
        "crop_box": [0, 0, 1, 0.5],
        "overlay_bytes": {"b64": base64.b64encode(b"picture\0").decode()},
    }
    with running(says(200, {"predictions": [row]})) as server:
        with Client(server.address) as client:
            result = client.explain(IMAGE)
    np.testing.assert_array_equal(result.heatmap, np.array([[0, 1], [0.5, 0.25]], np.float32))
    assert result.heatmap.dtype == np.float32
    assert (result.overlay, result.crop_box) == (b"picture\0", (0, 0, 1, 0.5))
    assert json.loads(server.requests[0][2])["signature_name"] == "explain"


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"version": 7}, "/v1/models/brain_mri/versions/7:predict"),
        ({"label": "canary"}, "/v1/models/brain_mri/labels/canary:predict"),
        ({"model": "a/b"}, "/v1/models/a%2Fb:predict"),
    ],
)
def test_versions_and_labels_stand_in_the_path(asked, path):
    with running(predicts) as server, Client(server.address, **asked) as client:
        assert client.predict(IMAGE).version == asked.get("version")
    assert server.requests[0][0] == path


_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    418: "UNKNOWN",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    504: "DEADLINE_EXCEEDED",
}


@pytest.fixture(params=BOTH, ids=["sync", "async"])
def ask(request):
    return request.param


def test_only_unavailable_is_tried_again(ask):
    busy = says(503, {"error": "queue full"})
    with running(busy, hangs_up, busy, predicts) as server:
        assert ask(server.address, lambda client: client.predict(IMAGE)).label == "glioma"
    assert len(server.requests) == 4

    for status, code in _CODES.items():
        with running(says(status, {"error": "the reason"})) as server:
            with pytest.raises(ServingError, match="the reason") as raised:
                ask(server.address, lambda client: client.predict(IMAGE))
        assert raised.value.code == code
        assert len(server.requests) == 1


class Clock:
    """Time that passes only where somebody sleeps."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_attempts_end_and_so_does_the_time(monkeypatch):
    clock = Clock()
    for module in ("tenacity", "tenacity.nap"):  # what a request itself takes is not its pauses'
        monkeypatch.setattr(f"{module}.time", clock)
    with running(says(503, {"error": "queue full"})) as server:
        with Client(server.address, attempts=2) as client:
            with pytest.raises(ServingError, match="queue full"):
                client.predict(IMAGE)
        assert len(server.requests) == 2
        clock.now = 100.0
        with Client(server.address, attempts=1000, timeout=100) as client:
            with pytest.raises(ServingError) as raised:
                client.predict(IMAGE)
        assert 90 < clock.now - 100 <= 100
        assert raised.value.code == "UNAVAILABLE"


def test_a_server_that_drips_meets_the_deadline_all_the_same(ask):
    with running(drips) as server, pytest.raises(ServingError) as raised:
        ask(server.address, lambda client: client.predict(IMAGE), timeout=0.3)
    assert raised.value.code == "DEADLINE_EXCEEDED"


def test_no_server_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", attempts=2) as client:
        with pytest.raises(ServingError, match="no connection") as raised:
            client.status()
    assert raised.value.code == "UNAVAILABLE"


@pytest.mark.parametrize(
    "content",
    [b"<html>proxy</html>", b"[]", b"{}", b"\xff", b'{"predictions": []}', b'{"predictions": [1]}',
     b'{"predictions": [{"label": "x"}]}', b'{"predictions": [{}, {}]}'],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error_and_not_a_crash(content):
    with running(says(200, content)) as server, Client(server.address) as client:
        with pytest.raises(ServingError) as raised:
            client.predict(IMAGE)
        with pytest.raises(ServingError):
            client.status()
    assert raised.value.code == "UNKNOWN"


def test_states_of_versions():
    one = {
        "version": "7",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    with running(says(200, {"model_version_status": [one]})) as server:
        with Client(server.address) as client:
            [status] = client.status()
    assert (status.version, status.state, status.error_code) == (7, "AVAILABLE", "OK")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that vouches for itself, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, own = folder / "key.pem", folder / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
         "-out", own, "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_bytes(own.read_bytes() + key.read_bytes())
    return both


def test_tls_and_a_token_for_a_proxy(ask, certificate):
    with running(predicts, certificate=certificate) as server:
        address = server.address.replace("http:", "https:")
        headers = {"X-Site": "7"}
        access = {"token": "secret", "metadata": headers, "ca": certificate}
        assert ask(address, lambda client: client.predict(IMAGE), **access).label == "glioma"
        _, headers, _ = server.requests[0]
        assert headers["authorization"] == "Bearer secret"
        assert headers["x-site"] == "7"
        with pytest.raises(ServingError, match="certificate") as raised:
            ask(address, lambda client: client.predict(IMAGE), attempts=1)
    assert raised.value.code == "UNAVAILABLE"
    with pytest.raises(PipelineError, match="certificate file cannot be used"):
        Client("https://localhost", ca=certificate.with_name("none.pem"))


def test_a_token_never_travels_in_the_clear():
    for address in ("http://example.org", "example.org:8500"):
        with pytest.raises(PipelineError, match="example.org:850[01] unencrypted"):
            Client(address, token="secret")


@pytest.mark.parametrize(
    "address", ["ftp://host", "http://", "http://host:port", "", "grpc://host/path", "host:99999",
                "http://user@host", "http://host?x"]
)  # fmt: skip
def test_an_address_of_another_form_is_refused_in_words(address):
    with pytest.raises(PipelineError, match="is not the address of a server"):
        Client(address)


@pytest.mark.parametrize(
    ("address", "other"),
    [("host:8501", "http://host:8501"), ("grpcs://host", "https://host:8500"),
     ("http://host", "grpc://host:8501"), ("https://[::1]:9/a", "grpcs://[::1]:9")],
)  # fmt: skip
def test_the_same_place_in_the_other_protocol(address, other):
    assert Address.parse(address).other == other
    assert Address.parse(other).protocol != Address.parse(address).protocol


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", 0), ("timeout", -1), ("timeout", math.inf), ("timeout", math.nan),
     ("timeout", 1e10), ("timeout", "30"), ("timeout", None),
     ("attempts", 0), ("batch_size", 0), ("batch_size", 1.5), ("request_bytes", 0),
     ("in_flight", 0), ("in_flight", math.inf), ("version", -1), ("version", "7"),
     ("version", 2**63)],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(name, value):
    with pytest.raises(PipelineError, match=f"{name} must be a .*this is {value!r}"):
        Client("http://localhost", **{name: value})
    if name == "version":
        with Client("http://localhost") as client, pytest.raises(PipelineError, match="version"):
            client.of_version(value)


def test_a_version_and_a_label_exclude_each_other():
    with pytest.raises(PipelineError, match="not for both"):
        Client("http://localhost", version=1, label="x")


_REST_ALONE = """
import sys
from pathlib import Path
from serving.client import Client
print(Client(sys.argv[1]).predict(Path(sys.argv[2])).label)
heavy = {"tensorflow", "grpc", "tensorflow_serving", "tfx", "keras", "pydicom"} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_rest_half_imports_no_tensorflow(tmp_path):
    (tmp_path / "image.png").write_bytes(encode(draw(1)))
    with running(predicts) as server:
        result = subprocess.run(
            [sys.executable, "-c", _REST_ALONE, server.address, tmp_path / "image.png"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout == "glioma\n"


@pytest.mark.parametrize(
    "address",
    [
        "http://user:hunter2@host:8501",
        "https://hunter2@host",
        "user:hunter2@host:8500",
        "grpc://user:hun/ter2@host",
        "http://host:8501/?token=hunter2",
        "http://host:8501/#hunter2",
        "http://user:hunter2@[host",
    ],
)
def test_an_address_that_holds_a_secret_is_refused_and_not_told(address):
    with pytest.raises(PipelineError, match="is not the address of a server") as raised:
        Client(address)
    assert "ter2" not in str(raised.value)
