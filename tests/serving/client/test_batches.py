"""Many images: a result or an error for each, in order, with bounds on what is under way."""

import base64
import io
import json
import pickle
import threading
from pathlib import Path

import pytest
from clients import BOTH
from drawing import draw, encode
from fake_server import ROW, running, says
from PIL import Image

from components.errors import PipelineError
from serving.client import Client, EncodedImage, ImageError, Prediction, ServingError

IMAGES = [encode(draw(seed, (9, 8 + seed))) for seed in range(1, 11)]


@pytest.fixture(params=BOTH, ids=["sync", "async"])
def ask(request):
    return request.param


def _columns(png):
    return int.from_bytes(png[16:20], "big")


def _sent(body):
    return [base64.b64decode(one["b64"]) for one in json.loads(body)["instances"]]


def _by_width(refused=()):
    """A server that says how wide an image is, and refuses requests with certain ones."""

    def answer(handler, body):
        widths = [_columns(png) for png in _sent(body)]
        if bad := set(widths) & set(refused):
            says(400, {"error": f"cannot decode {bad}"})(handler, body)
            return
        rows = [{**ROW, "confidence": width / 100} for width in widths]
        says(200, {"predictions": rows})(handler, body)

    return answer


def _widths(results):
    return [
        round(100 * one.confidence) if isinstance(one, Prediction) else type(one) for one in results
    ]


def test_one_file_among_a_hundred_that_is_no_image_loses_no_other(ask):
    images = [IMAGES[0]] * 100
    images[37] = b"no image"
    with running(_by_width()) as server:
        results = ask(server.address, lambda client: client.predict_batch(images))
    assert _widths(results) == [9] * 37 + [ImageError] + [9] * 62
    assert "not an image of a known format" in str(results[37])


def test_what_the_server_refuses_costs_that_image_alone(ask):
    with running(_by_width(refused=[12, 18])) as server:
        results = ask(server.address, lambda client: client.predict_batch(IMAGES), batch_size=10)
    expected = [ServingError if width in (12, 18) else width for width in range(9, 19)]
    assert _widths(results) == expected
    assert results[3].code == "INVALID_ARGUMENT"
    assert "cannot decode {12}" in str(results[3])
    assert len(server.requests) < 20  # by halves


def test_a_request_that_fails_is_the_error_of_each_of_its_images(ask):
    failing = [says(500, {"error": "out of order"}), _by_width()]
    options = {"batch_size": 4, "in_flight": 1}
    with running(*failing) as server:
        results = ask(server.address, lambda client: client.predict_batch(IMAGES), **options)
    assert _widths(results) == [ServingError] * 4 + [13, 14, 15, 16, 17, 18]
    assert len(server.requests) == 3  # nothing of the first was asked again


def test_results_and_errors_go_to_another_process():
    with running(_by_width(refused=[12])) as server, Client(server.address) as client:
        results = client.predict_batch([*IMAGES, b"no image"])
    copies = pickle.loads(pickle.dumps(results))
    assert _widths(copies) == _widths(results)
    assert [str(one) for one in copies] == [str(one) for one in results]


def test_of_one_image_the_error_is_raised(ask):
    with running(_by_width(refused=[12])) as server:
        with pytest.raises(ServingError, match="cannot decode"):
            ask(server.address, lambda client: client.predict(IMAGES[3]))
        with pytest.raises(ImageError):
            ask(server.address, lambda client: client.predict(b"no image"))
    assert len(server.requests) == 1


def test_a_request_has_no_more_bytes_than_it_may(ask):
    most = sum(map(len, IMAGES[-2:]))  # the two largest
    with running(_by_width()) as server:
        results = ask(
            server.address, lambda client: client.predict_batch(IMAGES), request_bytes=most
        )
        alone = ask(
            server.address, lambda client: client.predict_batch(IMAGES[:2]), request_bytes=1
        )
    assert _widths(results) == list(range(9, 19))
    assert _widths(alone) == [9, 10]  # one that is larger goes by itself
    sizes = [sum(map(len, _sent(body))) for _, _, body in server.requests]
    assert max(sizes) <= most
    assert len(sizes) < 8


class _Gate:
    """A server that answers no request before as many are there as may be."""

    def __init__(self, parties):
        self.barrier = threading.Barrier(parties)
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, handler, body):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.barrier.wait(60)
        with self.lock:
            self.now -= 1
        _by_width()(handler, body)


def test_as_many_requests_are_in_flight_as_may_be_and_no_more(ask):
    gate, taken = _Gate(3), []

    def images():
        for image in IMAGES[:9]:
            taken.append(image)
            yield image

    options = {"in_flight": 3, "batch_size": 1}
    with running(gate) as server:
        results = ask(server.address, lambda client: client.predict_batch(images()), **options)
    assert _widths(results) == list(range(9, 18))
    assert gate.most == 3
    assert len(taken) == 9


def test_results_come_while_images_are_still_to_be_read():
    taken = []

    def images():
        for image in IMAGES:
            taken.append(image)
            yield image

    with running(_by_width()) as server:
        with Client(server.address, batch_size=1, in_flight=2) as client:
            results = client.stream(images())
            assert not taken
            assert next(results).confidence == pytest.approx(0.09)
            assert len(taken) == 2
            assert next(results).confidence == pytest.approx(0.10)
            assert len(taken) == 3
            results.close()
    assert len(taken) == 3


@pytest.mark.parametrize(
    "one",
    ["scan.png", b"bytes", bytearray(b"x"), None, 7, draw(1), draw(1, channels=3),
     Image.fromarray(draw(1)), io.BytesIO(IMAGES[0]), Path("scan.png"), EncodedImage(b"x")],
    ids=range(11),
)  # fmt: skip
def test_one_image_in_the_place_of_several_is_refused_in_words(ask, one):
    with pytest.raises(PipelineError, match="several images, such as a list"):
        ask("http://localhost", lambda client: client.predict_batch(one))


def test_no_image_is_no_request(ask):
    with running(_by_width()) as server:
        assert ask(server.address, lambda client: client.predict_batch([])) == []
        assert ask(server.address, lambda client: client.explain_batch([])) == []
    assert not server.requests
