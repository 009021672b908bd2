"""`mri web`: what it serves, what it refuses, and what it leaves behind."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from carding import card
from descendants import all_end_with
from fake_server import running
from model_server import HANGS, free_port, wait_until
from mri_command import mri
from page import model, png
from web_command import command, serving

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with running(model()) as started:
        yield started


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page below may write: its home, its temporary folder, and where it was started."""
    folder = tmp_path_factory.mktemp("places")
    for name in ("HOME", "TMPDIR", "here"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def page_address(server: Any, places: Path) -> Iterator[str]:
    """A page in front of a running server; it waits as long as a busy machine needs."""
    arguments = ("--server", server.address.removeprefix("http://"), "--port", str(free_port()))
    patient = {"MRI_WEB_WAIT": str(HANGS), "MRI_WEB_TIMEOUT": str(HANGS)}
    own = {name: str(places / name) for name in ("HOME", "TMPDIR")}
    with serving(*arguments, folder=places / "here", **patient, **own) as address:
        yield address
    assert sorted(path.name for path in places.rglob("*")) == ["HOME", "TMPDIR", "here"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with a pushed model and its card."""
    from small_model import save

    folder = tmp_path_factory.mktemp("work")
    extras = save(folder / "serving" / "brain_mri" / "3") / "assets.extra"
    extras.mkdir()
    card().write(extras)
    return folder


def test_a_running_server_is_used(page_address: str) -> None:
    answer = httpx.post(f"{page_address}/api/v1/predict", content=png(), timeout=HANGS)
    assert answer.json()["label"] == "glioma"
    assert answer.json()["version"] == 7


def test_fifty_at_once_are_all_answered(page_address: str) -> None:
    address = f"{page_address}/api/v1/predict"
    with ThreadPoolExecutor(50) as pool, httpx.Client(timeout=HANGS) as client:
        answers = list(pool.map(lambda n: client.post(address, content=png(n)), range(50)))
    assert {answer.status_code for answer in answers} == {200}


def test_a_connection_that_is_dropped_holds_up_nobody(page_address: str) -> None:
    host, port = page_address.removeprefix("http://").split(":")
    for _ in range(40):  # more than there are threads
        with socket.create_connection((host, int(port))) as sender:
            sender.sendall(
                b"POST /api/v1/predict HTTP/1.1\r\nHost: here\r\nContent-Type: image/png\r\n"
                b"Content-Length: 100000\r\n\r\n" + png()[:100]
            )
    answer = httpx.post(f"{page_address}/api/v1/predict", content=png(), timeout=HANGS)
    assert answer.status_code == 200


def test_an_upload_leaves_no_file(page_address: str, places: Path) -> None:
    large = {"image": ("x.png", png() + bytes(2_000_000))}
    answer = httpx.post(f"{page_address}/api/v1/predict", files=large, timeout=HANGS)
    assert answer.status_code == 200
    assert [path for path in places.rglob("*") if not path.is_dir()] == []


def test_a_page_for_others_needs_a_secret(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    arguments = ("--server", server.address, "--host", "0.0.0.0", "--port", str(free_port()))
    refused = mri("web", *arguments)
    assert refused.returncode == 2
    assert "set SECRET_KEY" in refused.stderr
    assert "Traceback" not in refused.stderr
    named = {"SECRET_KEY": "0123456789abcdef", "MRI_WEB_HOSTS": "mri.example.org"}
    with serving(*arguments, **named) as page:
        address = page.replace("0.0.0.0", "127.0.0.1")
        for host, status in (("10.1.2.3", 200), ("mri.example.org", 200), ("example.org", 400)):
            assert httpx.get(address, headers={"Host": host}).status_code == status


def test_a_password_in_an_address_is_refused_and_not_told() -> None:
    refused = mri("web", "--server", "http://user:hunter2@server:8501", "--port", "0")
    assert refused.returncode == 2
    assert "MRI_WEB_SERVER is refused: must not contain a password" in refused.stderr
    assert "hunter2" not in refused.stdout + refused.stderr


def test_an_address_in_use_is_told(server: Any) -> None:
    refused = mri("web", "--server", server.address, "--port", str(server.server_address[1]))
    assert refused.returncode == 1
    assert "cannot listen on" in refused.stderr


def test_without_a_model_it_says_what_to_do(tmp_path: Path) -> None:
    refused = mri("web", "--work", str(tmp_path), "--port", str(free_port()))
    assert refused.returncode == 2
    assert "run `mri run` first" in refused.stderr


def test_the_pushed_model_is_served_with_its_card_and_ends_with_the_page(work: Path) -> None:
    with serving("--work", str(work), "--port", str(free_port())) as page:
        with httpx.Client(timeout=HANGS) as client:
            wait_until(lambda: client.get(f"{page}/readyz").status_code == 200)
            assert client.get(f"{page}/readyz").json() == {"status": "ready", "version": 3}
            answer = client.post(f"{page}/api/v1/predict", content=png())
            assert "Intended use" in client.get(f"{page}/models/3/card").text
            assert "MNI152" in client.get(page).text  # whose template examples are drawn from
            assert client.get(f"{page}/examples/glioma.jpg").status_code == 200
    assert answer.status_code == 200
    assert _processes_of(str(work)) == []


def test_the_page_ends_when_its_model_server_has_died(work: Path) -> None:
    port = str(free_port())
    process = command("--work", str(work), "--port", port)
    try:
        _wait_for_page(process, port)
        [server] = _processes_of(f"--model_base_path={work}")
        os.kill(server, signal.SIGKILL)
        _, said = process.communicate(timeout=HANGS)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "the model server ended unexpectedly" in said
    assert "Traceback" not in said


def test_a_killed_page_leaves_no_model_server(work: Path) -> None:
    port = str(free_port())
    process = command("--work", str(work), "--port", port)
    try:
        _wait_for_page(process, port)
        with all_end_with(process.pid, "serving.server"):
            process.kill()
            process.wait()
    finally:
        process.kill()
        process.stderr.close()


def _processes_of(word: str) -> list[int]:
    """Ids of the processes whose command has it; others come and go meanwhile."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(word) in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def _wait_for_page(process: "subprocess.Popen[str]", port: str) -> None:
    address = f"http://127.0.0.1:{port}/healthz"
    wait_until(lambda: process.poll() is not None or _answers(address))
    assert process.returncode is None, process.communicate()


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=HANGS).status_code == 200
    except httpx.TransportError:
        return False
