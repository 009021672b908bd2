"""A task's process starts the node's again where that may help, whatever Kubeflow's policy is."""

import os
import signal
import subprocess
import sys

import pytest
from descendants import all_end_with

from kubeflow import task
from kubeflow.task import start
from pipeline.exit_code import PASSING, ExitCode

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _sigterm_stays_the_tests():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def paused(monkeypatch):
    """The pauses that were made."""
    made = []
    monkeypatch.setattr(task.time, "sleep", made.append)
    return made


def _at_start(tmp_path, *actions):
    """A command that does another thing at each start, the last at all that come later."""
    tries = tmp_path / "tries"
    cases = " ".join(f"{number}) {action};;" for number, action in enumerate(actions[:-1], 1))
    script = f"echo x >> {tries}; case $(wc -l < {tries}) in {cases} *) {actions[-1]};; esac"
    return script, tries


def _end_of(script):
    """How the task ends whose node's process becomes a shell."""

    def work():
        start("Trainer")
        os.execvp("sh", ["sh", "-c", script])  # in the node's process alone

    with pytest.raises(SystemExit) as ended:
        work()
    return ended.value.code


def _starts(tries):
    return len(tries.read_text().split())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_what_was_killed_is_started_again_at_once(tmp_path, paused, capfd, number):
    script, tries = _at_start(tmp_path, f"kill -{number.value} $$", "exit 0")
    assert _end_of(script) == 0
    assert (_starts(tries), paused) == (2, [])
    said = capfd.readouterr().err
    assert said.startswith(f"Trainer: killed by {number.name}")
    assert "start 2 of 4, from what is complete" in said
    assert ("memory_limit" in said) is (number == signal.SIGKILL)


def test_what_is_killed_each_time_ends_as_a_shell_says_it(tmp_path, paused, capfd):
    script, tries = _at_start(tmp_path, "kill -9 $$")
    assert _end_of(script) == 128 + signal.SIGKILL
    assert _starts(tries) == 4
    assert "at each of 4 starts" in capfd.readouterr().err


def test_a_failure_that_may_pass_is_tried_again_after_a_while(tmp_path, paused, capfd):
    script, tries = _at_start(tmp_path, f"exit {PASSING}", f"exit {PASSING}", "exit 0")
    assert _end_of(script) == 0
    assert (_starts(tries), paused) == (3, [10, 30])
    assert "Trainer: this may pass; start 3 of 4 in 30 s" in capfd.readouterr().err


def test_a_failure_that_does_not_pass_is_a_failure(tmp_path, paused):
    script, tries = _at_start(tmp_path, f"exit {PASSING}")
    assert _end_of(script) == ExitCode.FAILED
    assert (_starts(tries), sum(paused)) == (4, 120)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 143])
def test_any_other_end_is_the_tasks_own(tmp_path, paused, code):
    script, tries = _at_start(tmp_path, f"exit {code}")
    assert _end_of(script) == code
    assert _starts(tries) == 1


_TASK = """
import os, signal, sys, time
from kubeflow.task import start
from pipeline.termination import Terminated, raise_at_sigterm
start("Trainer")
raise_at_sigterm(again=signal.SIG_IGN)
try:
    print(os.getpid(), flush=True)
    time.sleep(600)  # until it is stopped
except Terminated:
    sys.stdin.read()  # the second SIGTERM is there before the test goes on
    print("in order", flush=True)
    sys.exit(143)
"""


@pytest.mark.parametrize("whom", ["task", "group"])
def test_a_stop_reaches_the_node_which_ends_in_order(whom):
    """Argo's executor signals the group of processes; other things, the first process alone."""
    words = [sys.executable, "-c", _TASK]
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert int(process.stdout.readline()) != process.pid
        kill = os.kill if whom == "task" else os.killpg
        kill(process.pid, signal.SIGTERM)
        said, _ = process.communicate()
    assert said == "in order\n"
    assert process.returncode == ExitCode.TERMINATED


def test_a_task_that_is_killed_takes_the_node_with_it():
    words = [sys.executable, "-c", _TASK]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        with all_end_with(process.pid, "in order"):
            process.kill()


_ENDED = """
import os
from kubeflow import task
from pipeline.termination import Terminated
reap = os.waitpid
def waitpid(child, options):
    reap(child, options)
    raise Terminated
os.waitpid = waitpid
task.start("Trainer")
os._exit(0)
"""


def test_a_stop_that_comes_when_the_node_has_just_ended():
    done = subprocess.run(
        [sys.executable, "-c", _ENDED], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (ExitCode.TERMINATED, "")
