"""The model servers of a check do not outlive it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from descendants import all_end_with
from small_model import save

pytestmark = pytest.mark.long

_CHECK = """
import sys
from pathlib import Path
from components.serve_check.config import ServeCheckConfig
from components.serve_check.servers import start_server
with start_server(ServeCheckConfig(timeout=500), Path(sys.argv[1])):
    print("serving", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_check_leaves_no_server(tmp_path: Path, number: signal.Signals) -> None:
    model = save(tmp_path / "1")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", _CHECK, str(model)], **pipes) as check:
        assert check.stdout
        assert check.stdout.readline() == b"serving\n"
        with all_end_with(check.pid, "serving.server"):
            check.send_signal(number)
            check.wait()
