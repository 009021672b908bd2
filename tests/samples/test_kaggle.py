"""Fetching from Kaggle, with a local server in Kaggle's place."""

import base64
import errno
import hashlib
import http.server
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from drawing import draw, encode
from kagglesdk import kaggle_env

from samples import kaggle
from samples.kaggle import FetchError, fetch

IMAGE = encode(draw(1), "JPEG")
TINY = {"Training": {"glioma": 3, "notumor": 2}, "Testing": {"glioma": 1, "notumor": 1}}


def archive(counts=TINY, image=IMAGE) -> bytes:
    """A zip file of images, laid out as Kaggle's; padded so that it can be cut in the middle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as file:
        for split, labels in counts.items():
            for label, count in labels.items():
                for index in range(count):
                    file.writestr(f"{split}/{label}/{index:04}.jpg", image)
        file.writestr("padding.bin", bytes(3 << 20))
    return stream.getvalue()


class Kaggle(http.server.ThreadingHTTPServer):
    """Answers as Kaggle's API and its storage do."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = archive()
        self.status = 200
        self.send_only: int | None = None
        self.stall = threading.Event()
        self.stalls = False
        self.stalls_after: int | None = None
        self.requests: list[str] = []
        self.ranges: list[str | None] = []

    def handle_error(self, request, client_address) -> None:
        """A client that gave up is no news."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Kaggle

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(
            f"{self.path} {request['ownerSlug']}/{request['datasetSlug']} "
            f"{request['datasetVersionNumber']}"
        )
        if self.server.stalls:
            self.server.stall.wait()
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        self.send_response(302)
        self.send_header("Location", f"{self.server.url}/storage/archive.zip")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        body = self.server.body
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body) - start))
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        self.send_header("x-goog-hash", f"crc32c=AAAAAA==,md5={md5}")
        self.send_header("X-Kaggle-HubVersion", "99.0.0")
        self.end_headers()
        if self.server.stalls_after is not None:
            self.wfile.write(body[: self.server.stalls_after])
            self.server.stall.wait()
        self.wfile.write(body[start : self.server.send_only])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kaggle]:
    server = Kaggle()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(kaggle, "EXPECTED", TINY)
    # It reads the source of every caller, which takes seconds in a process of many modules.
    monkeypatch.setattr("kagglehub.clients.search_lib_in_call_stack", lambda _: None)
    yield server
    server.status = 503  # who still waits for an answer downloads nothing any more
    server.stall.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "data" / "brain"


def test_the_pinned_set_is_the_one_of_7023_images():
    assert sum(kaggle.EXPECTED["Training"].values()) == 5712
    assert sum(kaggle.EXPECTED["Testing"].values()) == 1311


def test_images_arrive_checked_and_nothing_else_is_left(server, out, capfd):
    assert fetch(out) is True
    assert server.requests == [
        "/v1/datasets.DatasetApiService/DownloadDataset masoudnickparvar/brain-tumor-mri-dataset 1"
    ]
    assert len(list(out.glob("Training/glioma/*.jpg"))) == 3
    assert [path.name for path in out.parent.iterdir()] == ["brain"]
    assert "100%" in capfd.readouterr().err


def test_a_full_set_is_kept_and_not_fetched_again(server, out):
    fetch(out)
    assert fetch(out) is False
    assert len(server.requests) == 1


def test_a_cut_download_goes_on_where_it_was(server, out):
    server.send_only = 2 << 20
    with pytest.raises(FetchError, match=r"stopped after 2\.\d MB .*again to resume it"):
        fetch(out)
    assert not out.exists()
    server.send_only = None
    fetch(out)
    assert server.ranges == [None, None, f"bytes={2 << 20}-"]
    assert len(list(out.glob("*/*/*.jpg"))) == 7


def test_an_interrupted_unpacking_is_done_again_without_a_download(server, out, monkeypatch):
    def stop(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", stop)
        with pytest.raises(FetchError, match="do not fit into"):
            fetch(out)
    assert not out.exists()
    server.send_only = 0  # which nobody reads
    fetch(out)
    assert len(list(out.glob("*/*/*.jpg"))) == 7


@pytest.mark.parametrize(
    ("counts", "image", "says"),
    [
        (
            {**TINY, "Training": {"glioma": 4, "notumor": 2}},
            IMAGE,
            r"holds 8 files .*, but version 1 has 7 \(Training/glioma 4 instead of 3\)",
        ),
        ({"Training": TINY["Training"]}, IMAGE, r"Testing/glioma 0 instead of 1, Testing/notumor"),
        ({**TINY, "Testing": {**TINY["Testing"], "new": 1}}, IMAGE, "Testing/new 1 instead of 0"),
        (TINY, b"<html>", r"7 files that are not images \(Testing/glioma/0000.jpg"),
    ],
)
def test_another_set_of_images_is_refused_and_not_kept(server, out, counts, image, says):
    server.body = archive(counts, image)
    with pytest.raises(FetchError, match=says):
        fetch(out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, r"refused the download \(HTTP 401\).*KAGGLE_API_TOKEN"),
        (403, r"refused the download \(HTTP 403\).*KAGGLE_API_TOKEN"),
        (404, r"does not offer version 1 .*\(HTTP 404\)"),
        (503, r"answered HTTP 503: try again later"),
    ],
)
def test_a_refusal_says_what_to_do(server, out, status, says):
    server.status = status
    with pytest.raises(FetchError, match=says) as caught:
        fetch(out)
    assert f"{kaggle.PAGE} by hand" in str(caught.value)
    assert "mri run --data FOLDER" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_connection_it_says_what_to_do(server, out, monkeypatch):
    monkeypatch.setitem(
        kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9"
    )
    with pytest.raises(FetchError, match=r"cannot be reached \(no connection\).* by hand"):
        fetch(out)
    assert list(out.parent.iterdir()) == []


def test_a_connection_lost_later_keeps_what_came(server, out, monkeypatch):
    server.send_only = 2 << 20
    with pytest.raises(FetchError):
        fetch(out)
    monkeypatch.setitem(
        kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9"
    )
    with pytest.raises(FetchError, match=r"no connection; 2\.\d MB from before are kept"):
        fetch(out)


def test_neither_proxy_nor_token_are_told(server, out, monkeypatch, capfd):
    monkeypatch.setenv("http_proxy", "http://someone:secret@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_token")
    monkeypatch.setitem(
        kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://kaggle.invalid"
    )
    with pytest.raises(FetchError, match="the proxy refused it") as caught:
        fetch(out)
    said = str(caught.value) + "".join(capfd.readouterr())
    assert not any(word in said for word in ("someone", "secret", "KGAT", "127.0.0.1"))


def test_a_server_that_falls_silent_is_given_up(server, out, monkeypatch):
    server.stalls = True
    monkeypatch.setattr(kaggle, "_SILENCE_SECONDS", 0.2)
    with pytest.raises(FetchError, match="no answer in time"):
        fetch(out)


@pytest.mark.parametrize("body", [b"<html>sign in to the guest network</html>", b"PK\x03\x04"])
def test_what_is_no_archive_is_removed(server, out, body):
    server.body = body
    with pytest.raises(FetchError, match="not the archive"):
        fetch(out)
    assert list(out.parent.iterdir()) == []


def test_a_damaged_archive_is_removed_and_fetched_anew(server, out):
    server.send_only = 2 << 20
    with pytest.raises(FetchError):
        fetch(out)
    [part] = out.parent.glob(".brain.download/**/1.archive")
    part.write_bytes(bytes(len(part.read_bytes())))
    server.send_only = None
    with pytest.raises(FetchError, match="not the archive"):
        fetch(out)
    fetch(out)
    assert len(list(out.glob("*/*/*.jpg"))) == 7


def test_a_folder_with_something_else_is_left_alone(server, out):
    out.mkdir(parents=True)
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(FetchError, match=r"brain exists and holds 0 files.*name another folder"):
        fetch(out)
    assert (out / "thesis.txt").read_text() == "mine"
    assert server.requests == []


def test_a_file_in_the_way_is_left_alone(server, out):
    out.parent.mkdir()
    out.write_text("mine")
    with pytest.raises(FetchError, match="brain exists"):
        fetch(out)
    assert out.read_text() == "mine"


def test_an_empty_folder_is_filled(server, out):
    out.mkdir(parents=True)
    assert fetch(out)
    assert len(list(out.glob("*/*/*.jpg"))) == 7


def test_a_place_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match=r"brain cannot be written: "):
        fetch(tmp_path / "file" / "brain")


def test_two_at_a_time_do_not_mix(server, out):
    with kaggle._exclusive(out.parent / ".brain.download"):
        with pytest.raises(FetchError, match="Another `mri data fetch`"):
            fetch(out)
    assert server.requests == []


def test_broken_credentials_are_told_from_a_broken_archive(server, out, tmp_path, monkeypatch):
    (tmp_path / "kaggle.json").write_text("{")
    monkeypatch.setattr(
        "kagglehub.config._get_kaggle_credentials_file", lambda: str(tmp_path / "kaggle.json")
    )
    with pytest.raises(FetchError, match="credentials"):
        fetch(out)


def test_a_server_that_stops_midway_is_given_up(server, out, monkeypatch):
    server.stalls_after = 2 << 20
    monkeypatch.setattr(kaggle, "_SILENCE_SECONDS", 0.2)
    with pytest.raises(FetchError, match=r"stopped after 2\.\d MB .*again to resume it"):
        fetch(out)


def test_the_environment_is_as_it_was(server, out, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", "mine")
    send = requests.Session.send
    fetch(out)
    assert requests.Session.send is send
    assert os.environ["KAGGLEHUB_CACHE"] == "mine"
    assert "DISABLE_COLAB_CACHE" not in os.environ
