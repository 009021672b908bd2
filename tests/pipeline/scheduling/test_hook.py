import math
import os
import subprocess
import sys

import pytest
from descendants import all_end_with
from process_gates import gate

from components import child_process
from components.errors import UsageError
from pipeline.scheduling import hook, runs
from pipeline.scheduling.hook import parse_hook, tell
from pipeline.termination import Terminated

pytestmark = pytest.mark.long


def _tell(tmp_path, words: str | list[str]) -> str:
    if isinstance(words, str):
        words = [sys.executable, "-c", words]
    facts = {
        "reason": "it broke",
        "exit_code": 1,
        "log": str(tmp_path / "log.txt"),
        "work": str(tmp_path),
    }
    said: list[str] = []
    tell(words, facts, said.append)
    return "\n".join(said)


def test_it_gets_the_facts_in_its_environment(tmp_path):
    code = (
        "import os, pathlib; pathlib.Path(os.environ['MRI_WORK'], 'told').write_text("
        "' '.join(os.environ[n] for n in ('MRI_REASON', 'MRI_EXIT_CODE', 'MRI_LOG')))"
    )
    assert _tell(tmp_path, code) == ""
    assert (tmp_path / "told").read_text() == f"it broke 1 {tmp_path}/log.txt"


def test_one_that_fails_is_reported(tmp_path):
    assert "exit code 5" in _tell(tmp_path, "raise SystemExit(5)")


_HANGS = "import signal; signal.pause()"


def test_one_that_hangs_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(hook, "HOOK_SECONDS", 0.1)
    assert "was killed" in _tell(tmp_path, _HANGS)


@pytest.mark.parametrize(
    ("ends", "says"), [(False, "was killed"), (True, "ended with exit code 7")]
)
def test_one_has_a_while_left_where_a_scheduler_is_ended(tmp_path, monkeypatch, ends, says):
    """It is not told, as it may have a message to send."""

    def start(*given, **options):
        child = child_process.start(*given, **options)
        wait = child.wait

        def stopped(**_: float) -> None:
            child.wait = wait
            raise Terminated

        child.wait = stopped
        return child

    monkeypatch.setattr(hook, "start", start)
    monkeypatch.setattr(hook, "GRACE_SECONDS", math.inf if ends else 0.1)
    said: list[str] = []
    with pytest.raises(Terminated):
        tell([sys.executable, "-c", "raise SystemExit(7)" if ends else _HANGS], {}, said.append)
    assert says in said[0]


def test_one_that_may_not_be_killed_is_left(tmp_path, monkeypatch):
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)
    monkeypatch.setattr(hook, "HOOK_SECONDS", 0.1)
    told = tmp_path / "told"
    os.mkfifo(told)
    with gate(tmp_path / "gate") as held:
        waits = ["sh", "-c", f"cat {held.path}; echo it went on > {told}"]
        assert "had not ended" in _tell(tmp_path, waits)
    assert told.read_text() == "it went on\n"


def test_one_that_is_gone_or_no_program_by_now_is_reported(tmp_path):
    program = tmp_path / "notify"
    assert "cannot be started (No such file" in _tell(tmp_path, [str(program)])
    program.write_bytes(b"no program")
    program.chmod(0o755)
    assert "cannot be started (Exec format error)" in _tell(tmp_path, [str(program)])


def test_one_that_reads_nothing_and_one_that_leaves_something_behind(tmp_path):
    assert _tell(tmp_path, [os.path.realpath("/bin/true")]) == ""
    with gate(tmp_path / "gate") as held:
        assert _tell(tmp_path, ["sh", "-c", f"cat {held.path} &"]) == ""


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"mri: it \0broke\n", "the run failed: it \N{REPLACEMENT CHARACTER}broke"),
     (b"mri: \xff\n", "the run failed: \N{REPLACEMENT CHARACTER}"),
     (b"", "the run failed"), (None, "the run failed")],
)  # fmt: skip
def test_a_reason_can_be_told_whatever_the_log_holds(tmp_path, content, says):
    log = tmp_path / "log.txt"
    if content is not None:
        log.write_bytes(content)
    assert runs._reason(1, log) == says


@pytest.mark.parametrize("command", ["", "no-such-program-at-all x", "sh -c 'open"])
def test_what_is_no_command_is_refused(command):
    with pytest.raises(UsageError, match="--on-failure"):
        parse_hook(command)


_TELLS = """
import sys
from pipeline.scheduling.hook import tell
tell(sys.argv[1:], {"reason": "it broke"}, print)
"""


def test_a_hook_ends_with_a_scheduler_that_is_killed(tmp_path):
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    with gate(tmp_path / "gate") as held:
        hook = ["sh", "-c", f"echo begun > {begun}; exec cat {held.path}"]
        with subprocess.Popen([sys.executable, "-c", _TELLS, *hook], cwd=tmp_path) as scheduler:
            assert begun.read_text() == "begun\n"
            with all_end_with(scheduler.pid, "cat"):
                scheduler.kill()
                scheduler.wait()
