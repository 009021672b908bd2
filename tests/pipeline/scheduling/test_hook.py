import sys

import pytest
from rich.console import Console

from pipeline.config import ConfigError
from pipeline.scheduling.hook import parse_hook, tell
from pipeline.scheduling.runs import Ended
from pipeline.work import Work


def _tell(tmp_path, code: str, **more) -> str:
    with (tmp_path / "said.txt").open("w") as said:
        console = Console(file=said, width=200)
        ended = Ended(1, "it broke", tmp_path / "log.txt")
        tell([sys.executable, "-c", code], Work(tmp_path), "cron", ended, console, **more)
    return (tmp_path / "said.txt").read_text()


def test_it_gets_the_facts_in_its_environment(tmp_path):
    code = (
        "import os, pathlib; pathlib.Path(os.environ['MRI_WORK'], 'told').write_text("
        "' '.join(os.environ[n] for n in ('MRI_REASON', 'MRI_EXIT_CODE', 'MRI_LOG')))"
    )
    assert _tell(tmp_path, code) == ""
    assert (tmp_path / "told").read_text() == f"it broke 1 {tmp_path}/log.txt"


def test_one_that_fails_is_reported(tmp_path):
    assert "exit code 5" in _tell(tmp_path, "raise SystemExit(5)")


def test_one_that_hangs_is_killed(tmp_path):
    assert "was killed" in _tell(tmp_path, "import time; time.sleep(600)", seconds=0.5)


@pytest.mark.parametrize("command", ["", "no-such-program-at-all x", "sh -c 'open"])
def test_what_is_no_command_is_refused(command):
    with pytest.raises(ConfigError, match="--on-failure"):
        parse_hook(command)
