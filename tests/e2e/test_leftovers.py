"""A run that is killed, told to end, or done leaves nobody and nothing behind."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from descendants import all_end_with
from process_gates import gate
from toy_run import arguments, assert_whole, mri, run, store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

_HELD_RUN = Path(__file__).parents[1] / "fixtures" / "held_run.py"


@contextmanager
def _held(moment: str, folder: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A run at a moment, which it has reached and does not leave."""
    reached = folder / f"reached-{moment}"
    os.mkfifo(reached)
    with gate(folder / f"gate-{moment}") as held, (folder / "said.txt").open("w+") as said:
        listening = os.open(reached, os.O_RDONLY | os.O_NONBLOCK)
        words = (moment, str(reached), str(held.path), *words)
        process = subprocess.Popen(
            [sys.executable, str(_HELD_RUN), *words], stdout=said, stderr=said, text=True
        )
        ended = os.pidfd_open(process.pid)
        try:
            readable, _, _ = select.select([listening, ended], [], [])
            assert listening in readable, (folder / "said.txt").read_text()
            yield process
        finally:
            process.kill()
            process.wait()
            os.close(ended)
            os.close(listening)
            reached.unlink()


def _hidden(work: Path) -> list[str]:
    """What a server does not read, and a person does not see."""
    return [path.name for path in work.rglob(".*") if path.name != ".system"]


def test_a_run_that_is_killed_told_to_end_or_done_leaves_nothing(make_folder, tmp_path):
    data, work = make_folder(train=20, test=5), tmp_path / "work"
    words = arguments(data, work)

    with (
        _held("serving", tmp_path, *words) as killed,
        all_end_with(killed.pid, "serving.server"),
    ):
        killed.kill()
        killed.wait()

    with (
        _held("serving", tmp_path, *words) as told,
        all_end_with(told.pid, "serving.server"),
    ):
        told.terminate()
        assert told.wait() == 128 + signal.SIGTERM
        assert list((work / "tmp").iterdir()) == []

    with _held("pushing", tmp_path, *words) as told:
        assert _hidden(work)
        told.terminate()
        assert told.wait() == 128 + signal.SIGTERM
    assert (_hidden(work), list((work / "tmp").iterdir())) == ([], [])

    with _held("pushing", tmp_path, *words) as killed:
        killed.kill()
        killed.wait()
    assert _hidden(work)
    (work / "tmp" / "of a library").mkdir()
    assert mri("clean", "--keep", "10", "--work", str(work)).returncode == 0
    assert (_hidden(work), list((work / "tmp").iterdir())) == ([], [])

    with _held("pushing", tmp_path, *words) as killed:
        killed.kill()
        killed.wait()
    (work / "tmp" / "of a library").mkdir()
    result = run(data, work)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (_hidden(work), list((work / "tmp").iterdir())) == ([], [])
    assert_whole(store(work))
