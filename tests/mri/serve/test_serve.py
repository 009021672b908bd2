"""`mri serve`: the pushed model, as a process."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_servables
from model_server import HANGS, Server, strings, wait_until

from components.errors import PipelineError
from components.free_ports import free_ports
from mri.serve import serve

pytestmark = pytest.mark.long

PLAIN = SimpleNamespace(invoked_subcommand=None)
"""`mri serve` without a command behind it."""


def test_the_pushed_model_is_served_with_batching_and_a_log(tmp_path: Path):
    toy_servables.write_bytes_model(tmp_path / "serving" / "brain_mri" / "1")
    port, rest_port = free_ports(2)
    log = tmp_path / "server.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mri", "serve", "--work", str(tmp_path)),
                *("--port", str(port), "--rest-port", str(rest_port)),
                *("--request-log", str(tmp_path / "requests"), "--flag", "drain_seconds=5"),
            ],
            stderr=stderr,
            text=True,
        )
    server = Server(process, port, rest_port, log)
    try:
        wait_until(lambda: "Running ModelServer" in log.read_text() or process.poll() is not None)
        response = server.predict({"image_bytes": strings(b"glioma")}, "brain_mri")
        assert response.outputs["label"].string_val[0] == b"g"
        assert server.rest("/v1/models/brain_mri")[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(HANGS) == 0
    finally:
        process.kill()
    assert len(list((tmp_path / "requests").glob("[!.]*.parquet"))) == 1
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("pushed", "name", "text"),
    [
        ((), None, "There is no pushed model in"),
        ((), "a", "There is no pushed model a in"),
        (("a", "b"), None, "There are several models: choose one with --model: a, b."),
        (("a",), "c", "there are: a."),
    ],
)
def test_what_there_is_to_serve(tmp_path: Path, pushed, name, text):
    for model in pushed:
        (tmp_path / "serving" / model / "1").mkdir(parents=True)
    with pytest.raises(PipelineError, match=text):
        serve(PLAIN, tmp_path, name, port=1, rest_port=0, batching=False)


def test_a_work_folder_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "serving" / "a" / "1").mkdir(parents=True)
    (tmp_path / "batching.config").mkdir()
    with pytest.raises(PipelineError, match=r"batching.config cannot be written: Is a directory"):
        serve(PLAIN, tmp_path, port=1, rest_port=0)
