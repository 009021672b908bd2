"""`mri serve`, a process, from a bucket: new versions, a rollback, and what is damaged there."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_servables
from bucket_server import BUCKET, SECRET, refuse
from model_server import HANGS, Server, wait_until

from components.errors import PipelineError
from components.free_ports import free_ports
from components.push.publishing import publish, set_bucket
from mri.serve import serve

pytestmark = pytest.mark.long

URI = f"s3://{BUCKET}/models/brain_mri"


class Published:
    """A folder of toy versions, each of which answers with its number, and the bucket's."""

    def __init__(self, base: Path) -> None:
        self.base = base
        base.mkdir(parents=True)
        set_bucket(base, f"s3://{BUCKET}/models")

    def add(self, number: int, answer: float | None = None) -> None:
        toy_servables.write_half_plus(self.base / str(number), answer or float(number))
        self.publish()

    def publish(self) -> None:
        publish(self.base, lambda line: None)


@contextmanager
def served(work: Path, *flags: str) -> Iterator[Server]:
    port, rest_port = free_ports(2)
    work.mkdir(exist_ok=True)
    log = work / "server.log"
    words = ["--base-path", URI, "--work", str(work), "--port", str(port)]
    for flag in ("file_system_poll_wait_seconds=1", *flags):
        words += ["--flag", flag]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*(sys.executable, "-m", "mri", "serve", "--rest-port", str(rest_port)), *words],
            stderr=stderr,
            text=True,
        )
    server = Server(process, port, rest_port, log)
    try:
        wait_until(lambda: "Running ModelServer" in log.read_text() or process.poll() is not None)
        yield server
        assert server.stop() == 0
        assert "Traceback" not in log.read_text()
        assert "Found credentials" not in log.read_text()
        assert SECRET not in log.read_text()
    finally:
        process.kill()
        process.wait(HANGS)


def answer(server: Server) -> tuple[int, float]:
    """The version that answers, and with what."""
    response = server.predict({"x": [0.0]}, "brain_mri")
    return response.model_spec.version.value, response.outputs["y"].float_val[0]


def test_versions_rollback_and_damage_as_they_come(tmp_path, bucket_server):
    published = Published(tmp_path / "serving" / "brain_mri")
    published.add(1)
    published.add(2)
    with served(tmp_path / "work", "max_num_load_retries=0") as server:
        assert answer(server) == (2, 2.0)

        published.add(3)
        server.wait_for({3: "AVAILABLE", 2: "END"}, "brain_mri")
        assert answer(server) == (3, 3.0)

        # A rollback is a new version of an old model.
        published.add(4, answer=2.0)
        server.wait_for({4: "AVAILABLE", 3: "END"}, "brain_mri")
        assert answer(server) == (4, 2.0)

        # An object of a newer version goes before a server looks: what is served stays.
        toy_servables.write_half_plus(published.base / "5", 5.0)
        graph = "models/brain_mri/5/saved_model.pb"
        bucket_server.trouble = lambda method, path: (
            _remove(bucket_server, "models/brain_mri/5/variables/variables.index")
            if method == "PUT" and path.endswith("5/saved_model.pb")
            else None
        )
        published.publish()
        bucket_server.trouble = None
        assert graph in bucket_server.listed()
        server.wait_for({5: "END"}, "brain_mri")
        assert answer(server) == (4, 2.0)
        _, text = server.rest("/v1/models/brain_mri/versions/5")
        assert "is not whole: variables/variables.index is missing. Publish it again" in text

        # That it was given up is no reason to pass over it when it has been mended.
        published.publish()
        server.wait_for({5: "AVAILABLE"}, "brain_mri")
        assert answer(server) == (5, 5.0)

        # One that never was whole is not looked at, and the version that is removed is unloaded.
        bucket_server.put("models/brain_mri/6/variables/variables.index", b"half")
        shutil.rmtree(published.base / "5")
        shutil.rmtree(published.base / "4")
        published.publish()
        server.wait_for({3: "AVAILABLE", 5: "END"}, "brain_mri")
        assert answer(server) == (3, 3.0)
        wait_until(lambda: "6 has no saved_model.pb (yet)" in server.log.read_text())

    # What is kept spares the next start all but the look whether it is still the same.
    bucket_server.requests.clear()
    with served(tmp_path / "work") as server:
        assert answer(server) == (3, 3.0)
    assert not [path for method, path in bucket_server.requests if "variables" in path]


def _remove(bucket_server, key: str) -> None:
    bucket_server.trouble = None
    bucket_server.delete(key)


def test_a_bucket_that_is_away_takes_nothing_away_and_is_waited_for(tmp_path, bucket_server):
    published = Published(tmp_path / "serving" / "brain_mri")
    published.add(1)
    bucket_server.trouble = lambda method, path: refuse("403 Forbidden", "AccessDenied")
    with served(tmp_path / "work") as server:
        wait_until(lambda: "access is denied" in server.log.read_text())
        assert server.rest("/v1/models/brain_mri")[0] == 404
        bucket_server.trouble = None
        server.wait_for({1: "AVAILABLE"}, "brain_mri")
        bucket_server.trouble = lambda method, path: refuse("503 Slow Down", "SlowDown")
        asked = len(bucket_server.requests)
        wait_until(lambda: len(bucket_server.requests) > asked + 4)
        assert answer(server) == (1, 1.0)


def test_a_base_path_that_is_no_bucket_is_refused_at_once():
    with pytest.raises(PipelineError, match="names no bucket"):
        serve(
            SimpleNamespace(invoked_subcommand=None), base_path="s3://A_B/x", port=1, rest_port=0,
            batching=False,
        )  # fmt: skip
