"""`mri web` as a process: clients that are slow, requests that lie, and how it ends."""

import resource
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from drawing import draw, encode
from fake_server import running
from page import listening, model, page, png
from waitress.channel import HTTPChannel
from web_command import address_of, command, serving

from components.errors import PipelineError
from components.servable import EXTRAS, REPORT_FILE
from serving.web import server as web_server
from serving.web.server import PageServer, listener

pytestmark = pytest.mark.long

HANGS = 300.0
"""Seconds after which something is taken to hang, also on a machine that does much else."""
SLOW_CLIENTS = 40
"""More than the page has threads."""
REPORT_BYTES = 16_000_000
"""More than the buffers of both ends of a connection hold."""
FIELDS = b"POST /api/v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of served versions, the report of which is large."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "7" / EXTRAS).mkdir(parents=True)
    (folder / "7" / EXTRAS / REPORT_FILE).write_bytes(b"x" * REPORT_BYTES)
    return folder


@pytest.fixture(scope="module")
def page_process(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The address and the id of a page in front of a fake model server."""
    patient = {"MRI_WEB_WAIT": str(HANGS), "MRI_WEB_TIMEOUT": str(HANGS)}
    variables = {"MRI_WEB_MODELS": str(models), "MRI_WEB_RATE": "1000000 per day", **patient}
    folder = tmp_path_factory.mktemp("here")
    with running(model()) as server:
        arguments = ("--server", server.address, "--port", "0")
        with serving(*arguments, folder=folder, TMPDIR=str(folder), **variables) as address:
            yield address
    assert list(folder.iterdir()) == []


def connect(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=HANGS)


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side ends, in order or not."""
    pieces = []
    with suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def upload(address: str, **headers: str) -> int:
    """The status of an upload."""
    url = f"{address}/api/v1/predict"
    return httpx.post(url, content=png(), headers=headers, timeout=HANGS).status_code


def serves_others(address: str) -> bool:
    """Whether a form's page and an upload are answered meanwhile."""
    return httpx.get(address, timeout=HANGS).status_code == upload(address) == 200


@pytest.mark.parametrize(
    "slowly",
    [b"GET / HTTP/1.1\r\nHost: localhost\r\n", FIELDS + b"Content-Length: 9999\r\n\r\n" + png()],
    ids=["header", "body"],
)
def test_those_who_send_byte_by_byte_keep_nobody_waiting(page_process: str, slowly: bytes) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(page_process)) for _ in range(SLOW_CLIENTS)]
        for one in slow:
            one.sendall(slowly[:-10])
        for number in range(len(slowly) - 10, len(slowly)):
            for one in slow:
                one.sendall(slowly[number : number + 1])
            assert serves_others(page_process)


def test_those_who_do_not_read_keep_nobody_waiting(page_process: str) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(page_process)) for _ in range(SLOW_CLIENTS)]
        for one in slow:
            one.sendall(b"GET /models/7/report HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            assert one.recv(1) == b"H"
        for _ in range(10):
            assert serves_others(page_process)
        assert len(everything(slow[0])) > REPORT_BYTES


LIES = {
    "4 GiB": (b"Content-Length: 4294967296\r\n\r\n", 413, "send fewer or smaller"),
    "too much, and asks first": (
        b"Expect: 100-continue\r\nContent-Length: 41000000\r\n\r\n",
        413,
        "send fewer or smaller",
    ),
    "negative": (b"Content-Length: -1\r\n\r\n", 400, "cannot be understood"),
    "not a number": (b"Content-Length: many\r\n\r\n", 400, "cannot be understood"),
    "a number of 5,000 digits": (
        b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        400,
        "cannot be understood",
    ),
    "two": (b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n", 400, "cannot be understood"),
    "pieces": (b"Transfer-Encoding: chunked\r\n\r\n", 411, "with a Content-Length"),
    "pieces and a length": (
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
        400,
        "cannot be understood",
    ),
    "compressed": (b"Transfer-Encoding: gzip\r\n\r\n", 501, "with a Content-Length"),
    "a header of 100,000 bytes": (b"X: " + b"x" * 100_000 + b"\r\n\r\n", 431, "longer"),
    "no header": (b"nonsense\r\n\r\n", 400, "cannot be understood"),
}


@pytest.mark.parametrize(("fields", "status", "words"), LIES.values(), ids=LIES)
def test_a_request_that_lies_about_its_length_is_refused_with_a_sentence(
    page_process: str, fields: bytes, status: int, words: str
) -> None:
    """The sender reads no answer before it has sent all, as a browser, and gets it all the same."""
    with connect(page_process) as sender:
        sender.sendall(FIELDS + fields)
        for _ in range(100):
            sender.sendall(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        head, _, body = everything(sender).partition(b"\r\n\r\n")
    assert f" {status} ".encode() in head.split(b"\r\n")[0]
    assert words in body.decode()
    assert b"X-Request-Id" in head
    assert b"Content-Security-Policy" in head
    assert serves_others(page_process)


def test_who_asks_first_is_told_to_go_on(page_process: str) -> None:
    """As curl does with a large file."""
    asks = b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(png())
    with connect(page_process) as sender:
        sender.sendall(FIELDS + asks)
        assert sender.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sender.sendall(png())
        assert everything(sender).startswith(b"HTTP/1.1 200 ")


def test_pieces_without_end_are_refused(page_process: str) -> None:
    """The sender sends for as long as anything is taken."""
    sent = 0
    with connect(page_process) as sender, suppress(ConnectionError):
        sender.sendall(FIELDS + b"Transfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        while sent < 1_000_000_000:
            sender.sendall(piece)
            sent += len(piece)
    assert sent < 300_000_000
    assert serves_others(page_process)


def test_nothing_is_kept_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is sent nor what is answered, nor in a file that has no name."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    large = encode(draw(1, (1500, 1500)), "BMP")
    with running(model()) as server, listening(page(server.address)) as address:
        url = f"{address}/api/v1/predict"
        answer = httpx.post(url, content=large, timeout=HANGS)
        form = httpx.post(url, files={"image": ("x.bmp", large)}, timeout=HANGS)
        assert len(large) > 2_000_000
        assert answer.json()["label"] == form.json()["label"] == "glioma"


def test_requests_sent_ahead_hold_no_answers(page_process: str) -> None:
    """A connection is for one request: of those behind it, none is answered."""
    with connect(page_process) as sender:
        sender.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
        sender.shutdown(socket.SHUT_WR)
        answers = everything(sender)
    assert answers.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close" in answers


def test_what_many_send_at_once_is_bounded(page_process: str) -> None:
    """Uploads that are never finished fill the memory for them; then others are told to wait."""
    piece = b"x" * 1_000_000
    told = []
    with ExitStack() as stack:
        for _ in range(8):
            sender = stack.enter_context(connect(page_process))
            with suppress(ConnectionError):
                sender.sendall(FIELDS + b"Content-Length: 39000000\r\n\r\n")
                for _ in range(38):
                    sender.sendall(piece)
                sender.setblocking(False)
                with suppress(BlockingIOError):
                    told.append(sender.recv(12))
        assert httpx.get(page_process, timeout=HANGS).status_code == 200
    assert told == [b"HTTP/1.1 503"] * len(told)
    assert told


def test_who_sends_too_little_is_ended_and_makes_room_for_those_who_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page takes no more connections, until those that hold them have been too slow."""
    for name in ("_PATIENCE", "_PATIENCE_IF_FULL"):
        monkeypatch.setattr(web_server, name, 0.0)
    monkeypatch.setattr(web_server, "_MOST_CONNECTIONS", 6)
    with running(model()) as server, listening(page(server.address)) as address, ExitStack() as all:
        slow = [all.enter_context(connect(address)) for _ in range(10)]
        for one in slow:
            one.sendall(b"GET / HTTP/1.1\r\n")
        assert httpx.get(address, timeout=HANGS).status_code == 200
        assert [everything(one) for one in slow] == [b""] * len(slow)


def test_who_reads_nothing_is_ended(monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    monkeypatch.setattr(web_server, "_PATIENCE", 0.0)
    ended = threading.Event()

    def tell(connection: Any, map: Any = None) -> None:
        HTTPChannel.del_channel(connection, map)
        ended.set()

    monkeypatch.setattr(web_server._Connection, "del_channel", tell)
    with (
        running(model()) as server,
        listening(page(server.address, models=models)) as address,
        connect(address) as reader,
    ):
        reader.sendall(b"GET /models/7/report HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ended.wait(HANGS)
        assert 0 < len(everything(reader)) < REPORT_BYTES


def test_few_descriptors_are_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS gives a process 256: all that could be opened for connections stays below that."""
    for files, most in ((256, 78), (1024, 462), (1_000_000, 500), (resource.RLIM_INFINITY, 500)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        with running(model()) as server, closing(listener("127.0.0.1", 0)) as listens:
            made = PageServer(page(server.address), listens)
            assert made.adj.connection_limit == most
            made.end()
            made.run()


def test_what_is_in_flight_is_answered_when_the_page_is_told_to_end() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def answers(handler: Any, body: bytes) -> None:
        if handler.path.endswith(":predict"):
            asked.set()
            assert go_on.wait(HANGS)
        model()(handler, body)

    with running(answers) as server, ThreadPoolExecutor(1) as pool:
        process = command("--server", server.address, "--port", "0")
        try:
            address = address_of(process)
            answer = pool.submit(upload, address)
            assert asked.wait(HANGS)
            process.terminate()
            with suppress(ConnectionRefusedError, ConnectionResetError):
                while True:
                    connect(address).close()
            go_on.set()
            assert answer.result() == 200
            assert process.wait(HANGS) == 0
        finally:
            go_on.set()
            process.kill()
            process.communicate()


def test_who_is_slow_does_not_keep_the_page_from_ending() -> None:
    with running(model()) as server, closing(listener("127.0.0.1", 0)) as listens:
        ending = PageServer(page(server.address), listens)
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(ending.run)
            with connect(f"http://127.0.0.1:{ending.port}") as slow:
                slow.sendall(b"GET / HTTP/1.1\r\n")
                ending.end(within=0.0)
                assert done.result(HANGS) is None
                assert everything(slow) == b""


def test_any_free_port_is_told_also_of_an_address_with_colons() -> None:
    with running(model()) as server:
        arguments = ("--server", server.address, "--host", "::1", "--port", "0")
        with serving(*arguments) as address:
            assert address.startswith("http://[::1]:")
            assert httpx.get(f"{address}/healthz", timeout=HANGS).json() == {"status": "ok"}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_taken_address_is_refused(host: str) -> None:
    """Also one that was free when this page began to start."""
    with running(model()) as server:
        app = page(server.address)
        with closing(listener(host, 0)) as first:
            port = first.getsockname()[1]
            with closing(listener(host, port)) as second:
                with ThreadPoolExecutor(1) as pool:
                    begun = PageServer(app, first)
                    done = pool.submit(begun.run)
                    with pytest.raises(PipelineError, match=f"cannot listen on .*:{port}: Address"):
                        PageServer(app, second)
                    with pytest.raises(PipelineError, match=f"cannot listen on {host}:{port}:"):
                        listener(host, port)
                    begun.end()
                    done.result(HANGS)


def test_the_log_has_no_address_and_nothing_that_was_sent(tmp_path: Path) -> None:
    """Nor where waitress has something to say: of senders that are gone, and of nonsense."""
    with running(model()) as server:
        process = command("--server", server.address, "--port", "0", folder=tmp_path)
        try:
            address = address_of(process)
            with socket.create_connection(
                ("127.0.0.1", int(address.rpartition(":")[2])), source_address=("127.0.0.9", 0)
            ) as sender:
                sender.sendall(b"GET /Jane-Doe?Doe HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"404" in everything(sender)
            for nonsense in (b"Doe Doe\r\n\r\n", b"GET http://[Doe HTTP/1.1\r\n\r\n", FIELDS):
                with connect(address) as sender:
                    sender.sendall(nonsense)
            assert serves_others(address)
        finally:
            process.terminate()
            _, said = process.communicate(timeout=HANGS)
    assert "documents" not in said
    assert "api.predict 200" in said
    for word in ("Doe", "127.0.0", "Traceback", "waitress"):
        assert word not in said, said


def test_what_goes_wrong_in_the_web_server_is_told_without_what_it_quotes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("PatientName Smith^John")

    with running(model()) as server:
        app = page(server.address)
        monkeypatch.setattr(app, "wsgi_app", fail)
        with listening(app) as address:
            answer = httpx.get(f"{address}/Smith", timeout=HANGS)
    assert answer.status_code == 500
    assert "the web server failed: RuntimeError at " in caplog.text
    for told in (answer.text, caplog.text):
        assert "Smith" not in told
        assert "Traceback" not in told


@pytest.mark.parametrize(("proxies", "statuses"), [(1, [200, 200]), (0, [200, 429])])
def test_the_sender_is_whom_a_trusted_proxy_names(proxies: int, statuses: list[int]) -> None:
    with (
        running(model()) as server,
        listening(page(server.address, rate="1 per day", proxies=proxies)) as address,
    ):
        answers = [upload(address, **{"X-Forwarded-For": f"203.0.113.{one}"}) for one in (1, 2)]
    assert answers == statuses
