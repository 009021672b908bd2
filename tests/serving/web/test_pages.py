"""The page without a browser: forms, results, and every state that a person can meet."""

import io
import json
import logging
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from dicom_files import encoded, marked
from drawing import draw, encode
from fake_server import FakeServer, running, says
from flask.testing import FlaskClient
from page import KEY, model, page, png, send

from components.disclaimer import DISCLAIMER


def test_shows_class_confidence_version_and_where_the_model_looked(client: FlaskClient) -> None:
    answer = send(client, (png(), "scan.png"))
    assert answer.status_code == 200
    assert "Glioma" in answer.text
    assert "75.0%" in answer.text
    assert "Pituitary tumour" in answer.text
    assert "model version 7" in answer.text
    assert 'href="data:image/png;base64,' in answer.text
    assert 'href="data:image/png;base64,' in answer.text
    assert DISCLAIMER in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_rounding_makes_nothing_certain() -> None:
    probabilities = [0.9999, 0.0001, 0.0, 0.0]
    with running(model(confidence=0.9999, probabilities=probabilities)) as server:
        answer = send(page(server.address).test_client(), (png(), "x.png"))
    assert answer.text.count("&gt;99.9%</") == 2
    assert answer.text.count("&lt;0.1%</") == 3
    assert "100.0%" not in answer.text


def test_several_images_are_one_page_of_results_and_a_bad_one_ends_nothing(
    client: FlaskClient,
) -> None:
    answer = send(client, (png(1), "a.png"), (b"no image", "b.png"), (png(2), "c.png"))
    assert answer.status_code == 200
    assert answer.text.count("model version 7") == 2
    assert (
        "This is not a JPEG, PNG, BMP, GIF, TIFF, WebP, JPEG 2000, DICOM or NIfTI image."
        in answer.text
    )


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF"])
def test_takes_each_format(client: FlaskClient, format: str) -> None:
    assert send(client, (encode(draw(3), format), "x")).status_code == 200


def test_a_dicom_file_is_rendered_and_its_tags_go_nowhere(
    server: FakeServer, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = send(client, (encoded(marked()), "scan.dcm"))
    assert answer.status_code == 200
    sent = b"".join(body for _, _, body in server.requests)
    for marker in (b"XQZ", b"999.777"):
        assert marker not in answer.data
        assert marker not in sent
        assert marker.decode() not in caplog.text


def test_a_foreign_image_is_told_first_and_its_class_is_no_headline() -> None:
    with running(model(in_distribution=False)) as server:
        answer = send(page(server.address).test_client(), (png(), "cat.jpg"))
    assert "This does not look like a brain MRI" in answer.text
    assert not re.search(r"<h2[^>]*>Glioma", answer.text)


def test_an_unsure_answer_is_referred_to_a_reader() -> None:
    with running(model(refer=True)) as server:
        answer = send(page(server.address).test_client(), (png(), "x.png"))
    assert "Refer to a reader" in answer.text


def test_links_the_model_card_where_there_is_one(server: FakeServer) -> None:
    card = "https://example.org/card.html"
    answer = send(page(server.address, model_card=card).test_client(), (png(), "x.png"))
    assert f'href="{card}"' in answer.text


@pytest.mark.parametrize(
    ("answers", "status", "words"),
    [
        (says(503, {"error": "secret"}), 503, "may be restarting"),
        (says(404, {"error": "secret"}), 503, "no model at the moment"),
        (says(504, {"error": "secret"}), 504, "too long"),
        (says(400, {"error": "secret"}), 422, "could not decode"),
        (says(500, {"error": "secret"}), 502, "cannot be used"),
        (says(200, b"secret"), 502, "cannot be used"),
    ],
)
def test_a_model_server_in_trouble_is_told_in_words(answers: Any, status: int, words: str) -> None:
    with running(answers) as server:
        answer = send(page(server.address).test_client(), (png(), "x.png"))
    assert answer.status_code == status
    assert words in answer.text
    assert "secret" not in answer.text


def test_a_model_server_that_is_down_comes_back() -> None:
    with running(model()) as server:
        address, port = server.address, server.server_address[1]
    client = page(address).test_client()
    answer = send(client, (png(), "x.png"))
    assert answer.status_code == 503
    assert "cannot be reached" in answer.text
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    with running(model(), port=port):
        assert send(client, (png(), "x.png")).status_code == 200
        assert client.get("/readyz").json == {"status": "ready", "version": 7}


def test_a_form_of_another_site_is_refused(server: FakeServer, client: FlaskClient) -> None:
    answer = client.post("/results", data={"image": (io.BytesIO(png()), "x.png")})
    assert answer.status_code == 400
    assert "reload the page" in answer.text
    assert not server.requests


def test_behind_a_proxy_with_tls_the_form_can_be_sent_and_another_site_s_is_refused(
    server: FakeServer,
) -> None:
    client = page(server.address, https=True, proxies=1).test_client()
    client.environ_base["HTTP_X_FORWARDED_PROTO"] = "https"
    # A browser that was told so sends none, and neither does this client.
    assert client.get("/").headers["Referrer-Policy"] == "no-referrer"
    assert send(client, (png(), "x.png")).status_code == 200
    forged = client.post("/results", data={"image": (io.BytesIO(png()), "x.png")})
    assert forged.status_code == 400


@pytest.mark.parametrize("path", ["/", "/api", "/nowhere", "/static/page.js", "/api/v1/predict"])
def test_every_answer_has_the_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Request-ID"]


def test_the_page_loads_nothing_from_elsewhere_and_little_from_here(client: FlaskClient) -> None:
    html = client.get("/").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert all(address.startswith(("/", "#")) for address in addresses)
    loaded = [client.get(a).data for a in addresses if a.startswith(("/static", "/base"))]
    assert len(html) + sum(map(len, loaded)) < 100_000


def test_too_many_requests_are_refused_with_a_sentence(server: FakeServer) -> None:
    client = page(server.address, rate="2 per day").test_client()
    statuses = [send(client, (png(), "x.png")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    answer = send(client, (png(), "x.png"))
    assert "wait a minute" in answer.text
    assert answer.headers["Retry-After"]


def test_of_fifty_uploads_at_once_each_is_answered(server: FakeServer) -> None:
    app = page(server.address, rate="1000 per day", at_once=2, wait=0.2)

    def ask(seed: int) -> Any:
        return app.test_client().post("/api/v1/predict", data=png(seed))

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert any(answer.status_code == 200 for answer in answers)
    for answer in answers:
        assert answer.json["label" if answer.status_code == 200 else "detail"]


def test_whoever_sends_slowly_keeps_nobody_waiting(server: FakeServer) -> None:
    app = page(server.address, at_once=1, wait=0.2)
    begun, go_on = threading.Event(), threading.Event()

    class Stalled(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            begun.set()
            assert go_on.wait(300)
            return super().readinto(buffer)

    def send_slowly() -> Any:
        headers = {"Content-Length": str(len(png()))}
        return app.test_client().post(
            "/api/v1/predict", input_stream=Stalled(png()), headers=headers
        )

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(send_slowly)
        assert begun.wait(300)
        quick = app.test_client().post("/api/v1/predict", data=png())
        go_on.set()
    assert (quick.status_code, slow.result().status_code) == (200, 200)


def test_the_log_names_neither_file_nor_path(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = send(client, (png(), "Jane Doe 1970.png"))
    client.get("/Jane-Doe?name=Doe")
    assert answer.headers["X-Request-ID"] in caplog.text
    assert "Doe" not in caplog.text


def test_the_log_keeps_the_address_of_whoever_is_refused_to_itself(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = page(server.address, rate="1 per day").test_client()
    client.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    caplog.set_level(logging.DEBUG)
    statuses = [client.post("/api/v1/predict", data=png()).status_code for _ in range(2)]
    assert statuses == [200, 429]
    assert "api.predict 429" in caplog.text
    assert "203.0.113.9" not in caplog.text


def test_nothing_is_written(server: FakeServer) -> None:
    """An audit hook sees every file that is opened for writing, also one that is deleted."""
    program = """
import os, sys
sys.path.insert(0, sys.argv[2])
from page import page, png
from drawing import draw, encode
opened = []
def hook(event, arguments):
    if event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
        opened.append(arguments[0])
client = page(sys.argv[1]).test_client()
large = encode(draw(1, (900, 900)), "BMP")
assert len(large) > 1_000_000
client.post("/api/v1/predict?explain=1", data=large)
body = b'--b\\r\\ncontent-disposition: form-data; name="image"; filename="x"\\r\\n\\r\\n'
body += large + b"\\r\\n--b--\\r\\n"
form = "multipart/form-data; boundary=b"
sys.addaudithook(hook)
answer = client.post("/api/v1/predict?explain=1", data=body, content_type=form)
assert answer.status_code == 200, answer.text
print([name for name in opened if name != os.devnull])
"""
    fixtures = Path(__file__).parents[2] / "fixtures"
    command = [sys.executable, "-c", program, server.address, str(fixtures)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stdout == "[]\n", ended.stderr


def test_the_page_imports_no_tensorflow() -> None:
    program = (
        "import sys, serving.web, serving.web.server, mri.web;"
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'keras', 'tfx')])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout == "[]\n", ended.stderr


def test_the_answer_keeps_the_key_to_itself(client: FlaskClient) -> None:
    assert KEY not in json.dumps([client.get(p).text for p in ("/", "/metrics", "/readyz")])


def test_whoever_comes_back_to_results_finds_the_form(client: FlaskClient) -> None:
    answer = client.get("/results")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_the_reasons_are_the_models_own_where_it_gives_some() -> None:
    for told in ({"refer": True}, {"in_distribution": False}):
        with running(model(**told, reasons="levels <are> cut; not sure")) as server:
            answer = send(page(server.address).test_client(), (png(), "x.png"))
        assert "levels &lt;are&gt; cut; not sure." in answer.text
    with running(model(reasons="")) as server:
        answer = send(page(server.address).test_client(), (png(), "x.png"))
    assert "must decide" not in answer.text
