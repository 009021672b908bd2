"""`mri web` as a process: clients that are slow, requests that lie, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_server import running
from model_server import HANGS
from page import model, png
from web_command import command, serving

from components.servable import EXTRAS, REPORT_FILE

pytestmark = pytest.mark.long

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
        with serving(*arguments, folder=folder, **variables) as address:
            yield address


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


def uploads(address: str) -> int:
    """The status of a form's page and of an upload, which are to be answered meanwhile."""
    assert httpx.get(address, timeout=HANGS).status_code == 200
    return httpx.post(f"{address}/api/v1/predict", content=png(), timeout=HANGS).status_code


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
            assert uploads(page_process) == 200


def test_those_who_do_not_read_keep_nobody_waiting(page_process: str) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(page_process)) for _ in range(SLOW_CLIENTS)]
        for one in slow:
            one.sendall(b"GET /models/7/report HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            assert one.recv(1) == b"H"
        for _ in range(10):
            assert uploads(page_process) == 200
        assert len(everything(slow[0])) > REPORT_BYTES
