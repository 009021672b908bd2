import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process_gates import gate
from rich.console import Console
from toy_run import SETTINGS, mri
from watching import PACE, command, watch_folder

from components.errors import PipelineError
from pipeline.scheduling.watch import TRIES
from pipeline.work import Work

pytestmark = pytest.mark.long

_WATCHING = Path(__file__).parents[2] / "fixtures" / "watching.py"
_LIMIT = 300
"""Seconds that bound a wait for what must come; nothing rests on how soon it does."""


def _start(work: Path, folder: Path, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(_WATCHING), str(work), str(folder), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _read_until(watcher: subprocess.Popen, words: str) -> None:
    said = ""
    while words not in said:
        said = watcher.stdout.readline()
        assert said, f"it ended without the words {words!r}"


def _wait_for_begin(folder: Path, number: int, watcher: subprocess.Popen) -> None:
    while f"begin {number}" not in _ran(folder):
        assert watcher.poll() is None, "it ended before"
        time.sleep(0.02)  # between two looks at what another process writes


def _ran(folder: Path) -> list[str]:
    file = folder / "ran.txt"
    return file.read_text().splitlines() if file.exists() else []


def _drop(folder: Path, number: int) -> None:
    coming = folder / f".coming-{number}"
    coming.mkdir(parents=True)
    (coming / "image.png").write_bytes(b"image")
    coming.rename(folder / f"span-{number:03}")


def _watch(tmp_path: Path, folder: Path, *, program: list[str] | None = None, **more) -> str:
    with (tmp_path / "said.txt").open("w") as said:
        watch_folder(
            Work(tmp_path / "work"),
            folder,
            program or command(folder),
            Console(file=said, width=300),
            pace=PACE,
            **{"once": True, **more},
        )
    return (tmp_path / "said.txt").read_text()


def _states(work: Path) -> dict[str, str]:
    record = json.loads((work / "schedule" / "watch.json").read_text())
    return {number: span["state"] for number, span in record["spans"].items()}


def test_three_spans_run_in_order_one_at_a_time_through_kills(tmp_path):
    work, folder = tmp_path / "work", tmp_path / "incoming"
    for number in (3, 1, 2):  # before anybody looks, or the first would run before the next comes
        _drop(folder, number)
    with gate(folder / "gate-2") as held:
        watcher = _start(work, folder)
        _wait_for_begin(folder, 2, watcher)
        assert _ran(folder) == ["begin 1", "end 1", "begin 2"]
        watcher.send_signal(signal.SIGKILL)
        watcher.communicate()

        # The run of the killed watcher still goes on: nothing begins beside it.
        again = _start(work, folder, "once")
        _read_until(again, "busy")
        assert _ran(folder) == ["begin 1", "end 1", "begin 2"]
        held.open()
        again.communicate(timeout=_LIMIT)

    assert again.returncode == 0
    # The span whose end nobody saw is run again, which the cache answers, and none is skipped.
    assert _ran(folder) == [
        *("begin 1", "end 1", "begin 2", "end 2", "begin 2", "end 2", "begin 3", "end 3")
    ]
    assert set(_states(work).values()) == {"done"}


def test_sigterm_ends_the_run_and_the_watcher(tmp_path):
    work, folder = tmp_path / "work", tmp_path / "incoming"
    _drop(folder, 1)
    with gate(folder / "gate-1"):
        watcher = _start(work, folder)
        _wait_for_begin(folder, 1, watcher)
        watcher.terminate()
        output, _ = watcher.communicate(timeout=_LIMIT)
        assert watcher.returncode == 0, output
        assert "stopped" in output
        assert _states(work) == {"1": "running"}
    _watch(tmp_path, folder)
    assert _ran(folder) == ["begin 1", "begin 1", "end 1"]


def test_verdicts_are_final_and_failures_are_tried_again(tmp_path):
    folder = tmp_path / "incoming"
    for number, code in ((1, 3), (2, 4), (3, 1), (4, 2), (5, 0)):
        _drop(folder, number)
        (folder / f"code-{number}").write_text(str(code))
    told = tmp_path / "told.jsonl"
    hook = f"sh -c 'cat >> {told}; echo >> {told}'"
    _watch(tmp_path, folder, on_failure=hook)
    assert _states(tmp_path / "work") == {
        "1": "stopped by the gate", "2": "not blessed", "3": "failed", "4": "failed",
        "5": "done",
    }  # fmt: skip
    assert [line for line in _ran(folder) if "begin" in line] == [
        "begin 1", "begin 2", *["begin 3"] * 3, *["begin 4"] * 3, "begin 5",
    ]  # fmt: skip
    facts = [json.loads(line) for line in told.read_text().splitlines()]
    assert [(one["for"], one["exit_code"]) for one in facts] == [
        ("span-001", 3), ("span-002", 4), *[("span-003", 1)] * 3,
        *[("span-004", 2)] * 3,
    ]  # fmt: skip
    assert all(Path(one["log"]).is_file() for one in facts)
    (folder / "code-3").unlink()
    _watch(tmp_path, folder)
    assert _states(tmp_path / "work")["3"] == "failed"
    _watch(tmp_path, folder, retry_failed=True)
    assert _states(tmp_path / "work")["3"] == "done"


def test_a_folder_that_is_none_is_named(tmp_path):
    (tmp_path / "file").touch()
    for name in ("nowhere", "file"):
        with pytest.raises(PipelineError, match="There is no folder"):
            _watch(tmp_path, tmp_path / name)


def test_a_folder_that_goes_away_and_comes_back_is_waited_for(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    watcher = _start(tmp_path / "work", folder)
    _read_until(watcher, f"watching {folder}")
    away = folder.rename(tmp_path / "away")
    _read_until(watcher, f"{folder} cannot be listed (No such file or directory): waiting")
    _drop(away, 1)
    away.rename(folder)
    _read_until(watcher, "span-001 ended: done")
    watcher.terminate()
    watcher.communicate(timeout=_LIMIT)
    assert watcher.returncode == 0
    assert _ran(folder) == ["begin 1", "end 1"]


def test_a_folder_that_cannot_be_read_for_a_while_is_waited_for(tmp_path, monkeypatch):
    number = errno.ESTALE
    folder, looks, scandir = tmp_path / "incoming", [], os.scandir
    _drop(folder, 1)

    def look(path):
        if path == folder:
            looks.append(path)
            if len(looks) <= 2:
                raise OSError(number, os.strerror(number), str(path))
            if _ran(folder):
                os.kill(os.getpid(), signal.SIGTERM)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", look)
    said = _watch(tmp_path, folder, once=False)
    assert said.count(f"cannot be listed ({os.strerror(number)}): waiting") == 1
    assert _states(tmp_path / "work") == {"1": "done"}


def test_once_says_that_its_folder_went_away(tmp_path):
    folder = tmp_path / "incoming"
    _drop(folder, 1)
    leave = f"import os, sys; os.rename({str(folder)!r}, {str(tmp_path / 'away')!r}); sys.exit(1)"
    with pytest.raises(PipelineError, match=r"incoming cannot be listed \(No such file"):
        _watch(tmp_path, folder, program=[sys.executable, "-c", leave])
    assert _states(tmp_path / "work") == {"1": "running"}


def test_a_failure_while_the_span_is_away_is_none_of_its_three(tmp_path):
    folder, away = tmp_path / "incoming", tmp_path / "away"
    _drop(folder, 1)
    leave = f"import os, sys; os.rename({str(folder / 'span-001')!r}, {str(away)!r}); sys.exit(1)"
    for _ in range(TRIES + 1):
        said = _watch(tmp_path, folder, program=[sys.executable, "-c", leave])
        assert "span-001 is tried again when it is back" in said
        assert _states(tmp_path / "work") == {"1": "running"}
        away.rename(folder / "span-001")
    _watch(tmp_path, folder)
    assert _states(tmp_path / "work") == {"1": "done"}


def test_a_record_that_cannot_be_read_ends_it_before_anything_runs(tmp_path):
    content = b'{"folder": "/inco'
    folder, file = tmp_path / "incoming", tmp_path / "work" / "schedule" / "watch.json"
    _drop(folder, 1)
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(PipelineError, match=r"watch\.json cannot be read as a record of earlier"):
        _watch(tmp_path, folder)
    assert file.read_bytes() == content
    assert _ran(folder) == []
    file.unlink()
    _watch(tmp_path, folder)
    assert _states(tmp_path / "work") == {"1": "done"}


def test_a_second_watcher_is_refused(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    first = _start(tmp_path / "work", folder)
    _read_until(first, "watching")
    with pytest.raises(PipelineError, match="Another `mri schedule` or `mri watch`"):
        _watch(tmp_path, folder)
    first.terminate()
    first.communicate(timeout=_LIMIT)


def test_a_record_that_cannot_be_written_ends_it_in_words(tmp_path):
    folder = tmp_path / "incoming"
    _drop(folder, 1)
    # As on a full disk: no file that this process writes may hold a byte.
    script = (
        "import resource, signal, runpy, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(_WATCHING), str(tmp_path / "work"), str(folder), "once"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert "watch.json cannot be written" in result.stderr
    assert _ran(folder) == []


@pytest.mark.parametrize(
    ("codes", "ends_with"),
    [((0, 0), 0), ((0, 4), 4), ((4, 3), 3), ((3, 1), 1)],
)
def test_once_ends_with_what_went_wrong(tmp_path, codes, ends_with):
    folder = tmp_path / "incoming"
    for number, code in enumerate(codes):
        _drop(folder, number)
        (folder / f"code-{number}").write_text(str(code))
    with (tmp_path / "said.txt").open("w") as said:
        console = Console(file=said)
        work = Work(tmp_path / "work")
        code = watch_folder(work, folder, command(folder), console, pace=PACE, once=True)
        assert code == ends_with
        code = watch_folder(work, folder, command(folder), console, pace=PACE, once=True)
        assert code == 0, "there was nothing left to run"


def test_a_link_to_a_span_is_run(tmp_path):
    folder = tmp_path / "incoming"
    _drop(tmp_path, 7)
    folder.mkdir()
    (folder / "span-007").symlink_to(tmp_path / "span-007")
    _watch(tmp_path, folder)
    assert _ran(folder) == ["begin 7", "end 7"]


def test_the_same_number_twice_is_refused_and_waited_for(tmp_path):
    folder = tmp_path / "incoming"
    _drop(folder, 1)
    (folder / "span-1").mkdir()
    with pytest.raises(PipelineError, match=r"span-001 and span-1 .* have the same number"):
        _watch(tmp_path, folder)
    watcher = _start(tmp_path / "work", folder)
    _read_until(watcher, "span-001 and span-1")
    assert _ran(folder) == []
    (folder / "span-1").rename(folder / "span-2")
    (folder / "span-2" / "image.png").touch()
    _read_until(watcher, "span-002 ended: done")
    watcher.terminate()
    watcher.communicate(timeout=_LIMIT)
    assert _ran(folder) == ["begin 1", "end 1", "begin 2", "end 2"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_real_run_for_each_span(make_folder, tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    for number in (1, 2):
        make_folder(train=20 + number, test=5, name=f"span {number}").rename(
            folder / f"span-{number:03}"
        )
    settings = [part for one in SETTINGS for part in ("--set", one)]
    work = tmp_path / "work"
    result = mri(
        "watch", str(folder), "--work", str(work), "--preset", "ci", *settings,
        "--settle", "0.5", "--once",
    )  # fmt: skip
    assert result.returncode in (0, 3, 4), result.stdout + result.stderr
    assert set(_states(work)) == {"1", "2"}
    assert set(_states(work).values()) <= {"done", "not blessed", "stopped by the gate"}
    assert len(list((work / "runs").iterdir())) == 2
