"""What people and attackers send instead of an image: a sentence and a status, never a trace."""

import base64
import io
import struct
import zipfile
import zlib
from typing import Any

import pytest
from dicom_files import dataset, encoded, head
from drawing import draw, encode
from fake_server import running
from flask.testing import FlaskClient
from page import model, page, png, send


@pytest.fixture
def client() -> Any:
    with running(model()) as server:
        yield page(server.address).test_client()


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("scan.png", png())
    return stream.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A PNG file whose header claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT\x35\xaf\x06\x1e"


def without_pixels() -> bytes:
    made = dataset(head())
    del made.PixelData
    return encoded(made)


SCRIPT = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BAD = [
    ("empty", b"", 422),
    ("30,000 x 30,000 pixels", claiming(30_000, 30_000), 422),
    ("zip", zipped(), 415),
    ("svg", SCRIPT, 415),
    ("text", b"hello", 415),
    ("truncated png", png()[:200], 422),
    ("truncated jpeg", encode(draw(1), "JPEG")[:200], 422),
    ("tiff header", b"II*\0", 422),
    ("dicom without pixels", without_pixels(), 422),
    ("dicom header", b"\0" * 128 + b"DICM", 422),
]


@pytest.mark.parametrize(("content", "status"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_what_is_no_image_gets_a_sentence(client: FlaskClient, content: bytes, status: int) -> None:
    by_form = send(client, (content, "scan.png"))
    by_api = client.post("/api/v1/predict", data=content, content_type="image/png")
    assert by_form.status_code == by_api.status_code == status
    assert by_api.content_type == "application/problem+json"
    assert by_api.json["detail"].endswith(".")
    for answer in (by_form, by_api):
        assert "Traceback" not in answer.text
        assert "/serving/" not in answer.text
        assert "alert(1)" not in answer.text


def test_what_has_too_many_pixels_is_not_unpacked() -> None:
    """Only its beginning is there: whoever unpacked it would say that it is damaged."""
    tiff = encode(draw(1, (60, 60)), "TIFF")[:-3000]
    dicom = encoded(dataset(head(1, (60, 60))))[:-3000]
    with running(model()) as server:
        client = page(server.address, max_pixels=3599).test_client()
        for content in (tiff, dicom):
            answer = client.post("/api/v1/predict", data=content)
            assert answer.status_code == 422
            assert "more pixels than the limit of 3,599" in answer.json["detail"]


def test_a_mistake_of_ours_is_a_sentence_and_keeps_what_it_quotes_to_itself(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("PatientName Smith^John")

    monkeypatch.setattr("serving.web.judging.open_upload", fail)
    by_form = send(client, (png(), "scan.png"))
    by_api = client.post("/api/v1/predict", data=png(), content_type="image/png")
    assert by_form.status_code == by_api.status_code == 500
    assert by_api.json["detail"] == "Something went wrong here. It was noted; please try again."
    assert by_api.json["request_id"] in caplog.text
    assert "RuntimeError at " in caplog.text
    for told in (by_form.text, by_api.text, caplog.text):
        assert "Smith" not in told
        assert "Traceback" not in told


def test_no_file_is_told(client: FlaskClient) -> None:
    answer = send(client)
    assert answer.status_code == 400
    assert "Choose an image first." in answer.text
    assert client.post("/api/v1/predict").status_code == 422


@pytest.mark.parametrize("size", [25_000_000, 50_000_000])
def test_too_many_bytes_are_refused(client: FlaskClient, size: int) -> None:
    content = png() + b"\0" * size
    for answer in (
        send(client, (content, "x.png")),
        client.post("/api/v1/predict", data=content),
        client.post("/api/v1/predict", data={"image": (io.BytesIO(content), "x.png")}),
    ):
        assert answer.status_code == 413
        assert "smaller" in answer.text or "limit" in answer.text


def test_two_hundred_files_are_refused(client: FlaskClient) -> None:
    answer = send(client, *[(png(), f"{i}.png") for i in range(200)])
    assert answer.status_code == 413
    assert "fewer" in answer.text
    answer = send(client, *[(png(), f"{i}.png") for i in range(21)])
    assert answer.status_code == 413
    assert "at most 20" in answer.text


def test_what_follows_an_image_is_not_shown(client: FlaskClient) -> None:
    """A polyglot: the picture that is shown is made anew."""
    answer = send(client, (png() + SCRIPT, "x.svg"))
    assert answer.status_code == 200
    assert SCRIPT.decode() not in answer.text
    assert base64.b64encode(SCRIPT)[:20].decode() not in answer.text


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("a%22onload=%22alert(1)", "a&#34;onload=&#34;alert(1)"),
        ("<script>alert(1)<x>", "&lt;script&gt;"),
        ("Größe 脑.png", "Größe 脑.png"),
        ("x" * 5000 + ".png", "…"),
        ("a\u202egnp.exe", "\\u202e"),
    ],
)
def test_a_name_is_only_shown(client: FlaskClient, name: str, seen: str) -> None:
    answer = send(client, (png(), name))
    assert answer.status_code == 200
    assert seen in answer.text
    assert "../" not in answer.text
    assert "<script>alert" not in answer.text


def test_a_name_with_a_line_break_is_one_line(client: FlaskClient) -> None:
    body = (
        b'--b\r\ncontent-disposition: form-data; name="image"; filename="a%0d%0ab.png"\r\n\r\n'
        + png()
        + b"\r\n--b--\r\n"
    )
    answer = client.post(
        "/api/v1/predict", data=body, content_type="multipart/form-data; boundary=b"
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\n"),
        ("multipart/form-data; boundary=b", b""),
        ("application/x-www-form-urlencoded", b"image=x"),
        ("nonsense", b"x"),
    ],
)
def test_a_broken_form_is_told(client: FlaskClient, content_type: str, body: bytes) -> None:
    for path in ("/api/v1/predict", "/results"):
        answer = client.post(path, data=body, content_type=content_type)
        assert 400 <= answer.status_code < 500


def test_a_connection_that_is_dropped_leaves_the_page_running(client: FlaskClient) -> None:
    short = client.post(
        "/api/v1/predict",
        input_stream=io.BytesIO(png()[:50]),
        headers={"Content-Length": "5000"},
        content_type="image/png",
    )
    assert 400 <= short.status_code < 500
    assert client.get("/healthz").status_code == 200
