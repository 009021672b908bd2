"""The model servers of a check do not outlive it."""

import os
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pytest
from descendants import all_end_with
from signing_keys import make_key

from components.serve_check import servers
from components.serve_check.config import ServeCheckConfig
from components.serve_check.servers import _docker_command
from components.signature import KEY_VARIABLE, verify

pytestmark = pytest.mark.long

_CHECK = """
import sys
from concurrent.futures import Future
from pathlib import Path
from components.serve_check import servers
from components.serve_check.config import ServeCheckConfig
servers._wait_until_available = lambda *_: None  # a server that begins must not be left, either
with servers.start_server(ServeCheckConfig(), Path(sys.argv[1]), Future()):
    print("serving", flush=True)
    sys.stdin.read()
"""


def test_a_killed_check_leaves_no_server(tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", _CHECK, str(tmp_path)], **pipes) as check:
        assert check.stdout
        assert check.stdout.readline() == b"serving\n"
        with all_end_with(check.pid, "serving.server"):
            check.kill()
            check.wait()


def test_docker_is_asked_at_the_ports_that_it_publishes(monkeypatch, tmp_path: Path) -> None:
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/told\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=os.pathsep)
    monkeypatch.setattr(
        servers, "_wait_until_available", lambda _, __, process, ___: process.wait()
    )
    config = ServeCheckConfig(server="tensorflow_serving")
    with servers.start_server(config, tmp_path, Future()) as endpoints:
        told = (tmp_path / "told").read_text().splitlines()
    assert f"{endpoints.grpc}:8500" in told
    assert f"{endpoints.rest}:8501" in told


def test_docker_gets_the_model_read_only_and_both_ports(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    config = ServeCheckConfig(server="tensorflow_serving", image="site/serving:1")
    command = _docker_command(config, tmp_path / "a, b", 4000, 4001)
    assert command[:3] == ["docker", "run", "--rm"]
    assert command[command.index("site/serving:1") - 1] == "MODEL_NAME=candidate"
    published = [command[at + 1] for at, word in enumerate(command) if word == "--publish"]
    assert published == ["127.0.0.1:4000:8500", "127.0.0.1:4001:8501"]
    mount = command[command.index("--mount") + 1]
    assert f'"source={tmp_path}/a, b"' in mount
    assert mount.endswith("target=/models/candidate/1,readonly")


def test_a_candidate_is_checked_as_it_will_be_served_signed(monkeypatch, tmp_path: Path) -> None:
    """The server asks for the signature, and would find a file that was changed."""
    pytest.importorskip("model_signing", reason="model-signing needs Python 3.11 or later")
    (tmp_path / "model" / "assets.extra").mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_text("graph")
    monkeypatch.setenv(KEY_VARIABLE, str(make_key(tmp_path, "ours")))
    command = servers._embedded_command(tmp_path, tmp_path / "model", 1, 2)
    [trusted] = [word.partition("=")[2] for word in command if "require_signature" in word]
    assert verify(tmp_path / "models" / "1", Path(trusted)).files == 1
    assert not list((tmp_path / "model" / "assets.extra").iterdir())
