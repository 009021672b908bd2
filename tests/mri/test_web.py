"""`mri web`: what it serves, what it refuses, and what it leaves behind."""

import os
import signal
import socket
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
from page import model, png
from web_command import command, serving

pytestmark = pytest.mark.long


@pytest.fixture
def server() -> Iterator[Any]:
    with running(model()) as started:
        yield started


def test_a_running_server_is_used(server: Any) -> None:
    address = server.address.removeprefix("http://")
    with serving("--server", address, "--port", str(free_port())) as page:
        answer = httpx.post(f"{page}/api/v1/predict", content=png(), timeout=HANGS)
        assert answer.json()["label"] == "glioma"
        assert answer.json()["version"] == 7


def test_fifty_at_once_are_all_answered(server: Any) -> None:
    patient = {"MRI_WEB_WAIT": str(HANGS), "MRI_WEB_TIMEOUT": str(HANGS)}
    with serving("--server", server.address, "--port", str(free_port()), **patient) as page:
        with ThreadPoolExecutor(50) as pool, httpx.Client(timeout=HANGS) as client:
            answers = list(
                pool.map(lambda n: client.post(f"{page}/api/v1/predict", content=png(n)), range(50))
            )
    assert {answer.status_code for answer in answers} == {200}


def test_a_page_for_others_needs_a_secret(server: Any) -> None:
    arguments = ("--server", server.address, "--host", "0.0.0.0", "--port", str(free_port()))
    process = command(*arguments)
    _, said = process.communicate(timeout=HANGS)
    assert process.returncode == 1
    assert "set SECRET_KEY" in said
    assert "Traceback" not in said
    with serving(*arguments, SECRET_KEY="0123456789abcdef") as page:
        assert httpx.get(page.replace("0.0.0.0", "127.0.0.1")).status_code == 200


def test_an_address_in_use_is_told(server: Any) -> None:
    process = command("--server", server.address, "--port", str(server.server_address[1]))
    _, said = process.communicate(timeout=HANGS)
    assert process.returncode == 1
    assert "cannot listen at" in said


def test_without_a_model_it_says_what_to_do(tmp_path: Any) -> None:
    process = command("--work", str(tmp_path), "--port", str(free_port()))
    _, said = process.communicate(timeout=HANGS)
    assert process.returncode == 1
    assert "run `mri run` first" in said


def test_the_pushed_model_is_served_with_its_card_and_ends_with_the_page(tmp_path: Any) -> None:
    from small_model import save

    (tmp_path / "serving" / "brain_mri").mkdir(parents=True)
    version = save(tmp_path / "serving" / "brain_mri" / "3")
    (version / "assets.extra").mkdir()
    card().write(version / "assets.extra")
    with serving("--work", str(tmp_path), "--port", str(free_port())) as page:
        with httpx.Client(timeout=HANGS) as client:
            wait_until(lambda: client.get(f"{page}/readyz").status_code == 200)
            assert client.get(f"{page}/readyz").json() == {"status": "ready", "version": 3}
            answer = client.post(f"{page}/api/v1/predict", content=png())
            assert "Intended use" in client.get(f"{page}/models/3/card").text
            assert client.get(f"{page}/examples/glioma.jpg").status_code == 200
    assert answer.status_code == 200
    assert _processes_of(str(tmp_path)) == []


def test_the_page_ends_when_its_model_server_has_died(tmp_path: Path) -> None:
    from small_model import save

    save(tmp_path / "serving" / "brain_mri" / "3")
    port = str(free_port())
    process = command("--work", str(tmp_path), "--port", port)
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/healthz"))
        [server] = _processes_of(f"--model_base_path={tmp_path}")
        os.kill(server, signal.SIGKILL)
        _, said = process.communicate(timeout=HANGS)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "the model server ended by itself" in said
    assert "Traceback" not in said


def _processes_of(word: str) -> list[int]:
    """Ids of the processes whose command has it; others come and go meanwhile."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(word) in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=HANGS).status_code == 200
    except httpx.TransportError:
        return False


def test_an_upload_leaves_no_file(server: Any, tmp_path: Path) -> None:
    places = {name: str(tmp_path / name) for name in ("HOME", "TMPDIR")}
    here = tmp_path / "here"
    for place in (here, *places.values()):
        Path(place).mkdir()
    arguments = ("--server", server.address, "--port", str(free_port()))
    with serving(*arguments, folder=here, **places) as page:
        large = {"image": ("x.png", png() + bytes(2_000_000))}
        assert httpx.post(f"{page}/api/v1/predict", files=large, timeout=HANGS).status_code == 200
        assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["HOME", "TMPDIR", "here"]


def test_a_connection_that_is_dropped_holds_up_nobody(server: Any) -> None:
    with serving("--server", server.address, "--port", str(free_port())) as page:
        host, port = page.removeprefix("http://").split(":")
        for _ in range(40):  # more than there are threads
            with socket.create_connection((host, int(port))) as sender:
                sender.sendall(
                    b"POST /api/v1/predict HTTP/1.1\r\nHost: here\r\nContent-Type: image/png\r\n"
                    b"Content-Length: 100000\r\n\r\n" + png()[:100]
                )
        answer = httpx.post(f"{page}/api/v1/predict", content=png(), timeout=HANGS)
        assert answer.status_code == 200


def test_a_killed_page_leaves_neither_its_worker_nor_its_model_server(tmp_path: Path) -> None:
    from small_model import save

    save(tmp_path / "serving" / "brain_mri" / "3")
    port = str(free_port())
    process = command("--work", str(tmp_path), "--port", port)
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/healthz"))
        with all_end_with(process.pid, "serving.server", "mri web"):
            process.kill()
            process.wait()
    finally:
        process.kill()
        process.stderr.close()
