import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta

import pytest
from rich.console import Console
from toy_run import mri

from components.errors import PipelineError
from mri.run_flags import RunFlags
from mri.unattended import run_command
from pipeline.scheduling import runs, timetable
from pipeline.termination import Terminated
from pipeline.work import Work

_LIMIT = 300
"""Seconds that bound a wait for what must come; nothing rests on how soon it does."""


def _record(work, cron: str, last: datetime) -> None:
    (work / "schedule").mkdir(parents=True)
    facts = {"cron": cron, "last": last.isoformat()}
    (work / "schedule" / "schedule.json").write_text(json.dumps(facts))


def _start(work, tmp_path, cron: str, *more: str) -> subprocess.Popen:
    # There are no images: the run that it starts is a real one, and fails at once.
    return subprocess.Popen(
        [sys.executable, "-m", "mri", "schedule", "--cron", cron, "--work", str(work),
         "--data", str(tmp_path / "nothing"), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def _read_until(process: subprocess.Popen, words: str) -> list[str]:
    lines = []
    while not lines or words not in lines[-1]:
        line = process.stdout.readline()
        assert line, (lines, process.stderr.read())
        lines.append(line)
    return lines


def test_missed_times_make_one_run_and_its_failure_is_told(tmp_path):
    work, told = tmp_path / "work", tmp_path / "told"
    begun = datetime.now().astimezone()
    # Each hour is missed, and the next is a year away, however long the run takes.
    missed = begun - timedelta(days=2)
    cron = f"0 * {missed.day} {missed.month} *"
    _record(work, cron, begun - timedelta(days=5))
    scheduler = _start(work, tmp_path, cron, "--on-failure", f"sh -c 'cat > {told}'")
    said = _read_until(scheduler, "the next run is due")
    scheduler.send_signal(signal.SIGTERM)
    scheduler.communicate(timeout=_LIMIT)
    assert scheduler.returncode == 0
    assert sum("running" in line for line in said) == 1
    assert "There is no folder" in "".join(said)
    facts = json.loads(told.read_text())
    assert facts["exit_code"] == 2
    assert "There is no folder" in facts["reason"]
    last = json.loads((work / "schedule" / "schedule.json").read_text())["last"]
    assert datetime.fromisoformat(last) >= begun


def test_another_expression_has_missed_nothing(tmp_path):
    work, now = tmp_path / "work", datetime.now().astimezone()
    missed = now - timedelta(days=2)
    _record(work, "0 4 * * *", now - timedelta(days=5))
    scheduler = _start(work, tmp_path, f"0 3 {missed.day} {missed.month} *")
    [_said] = _read_until(scheduler, "the next run is due")
    scheduler.send_signal(signal.SIGINT)
    scheduler.communicate(timeout=_LIMIT)
    assert scheduler.returncode == 130


def test_wrong_options_are_refused_before_anything_runs(tmp_path):
    weights = tmp_path / "weights.h5"
    weights.write_text("no weights")
    for more, code, words in (
        (["--cron", "daily"], 2, "--cron"),
        (["--preset", "smaple"], 2, "did you mean"),
        (["--on-failure", "no-such-program"], 2, "--on-failure"),
        (["--set", "beam=[--runner=Foo]"], 2, "there is no runner 'Foo'"),
        (["--weights", str(tmp_path / "nowhere.h5")], 2, "nowhere.h5 cannot be read"),
        (["--weights", str(weights)], 2, "weights.h5 "),
    ):
        cron = [] if "--cron" in more else ["--cron", "0 3 * * *"]
        result = mri("schedule", *cron, *more, "--work", str(tmp_path / "work"))
        assert result.returncode == code
        assert result.stderr.startswith("mri: ")
        assert words in result.stderr
        assert not (tmp_path / "work").exists()


# A Wednesday.
NOON = datetime(2026, 7, 1, 12).astimezone()
DAY = timedelta(days=1)


@pytest.fixture
def live(tmp_path, monkeypatch):
    """A scheduler for three o'clock that sees the given times, then is ended; what it said."""
    monkeypatch.setattr(timetable, "CLOCK_SECONDS", 0)
    monkeypatch.setattr(runs, "LOOK_SECONDS", 0.02)

    def live(*times: datetime, command: str = "true", on_failure: str | None = None) -> str:
        left = list(times)

        def now() -> datetime:
            if len(left) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return left.pop(0) if len(left) > 1 else left[0]

        monkeypatch.setattr(timetable, "now", now)
        monkeypatch.setattr(runs, "now", now)
        with (tmp_path / "said.txt").open("w") as said:
            console = Console(file=said, width=300)
            timetable.schedule_runs(
                Work(tmp_path / "work"), "0 3 * * *", ["sh", "-c", command], console,
                on_failure=on_failure,
            )  # fmt: skip
        return (tmp_path / "said.txt").read_text()

    return live


def _last(tmp_path) -> datetime:
    record = json.loads((tmp_path / "work" / "schedule" / "schedule.json").read_text())
    return datetime.fromisoformat(record["last"])


def test_a_clock_set_forward_by_a_day_makes_one_run(live):
    said = live(NOON, NOON + 3 * DAY, NOON + 3 * DAY, NOON + 3 * DAY, NOON + 3 * DAY)
    assert said.count("running") == 1
    assert "a run was due at 2026-07-02 03:00" in said
    assert "the next run is due at 2026-07-05 03:00" in said


def test_times_that_come_while_the_folder_is_busy_make_no_second_run(live, monkeypatch):
    later = []

    def is_busy(_work: Work) -> bool:
        if later:
            return False
        later.append(runs.now)
        for module in (runs, timetable):
            monkeypatch.setattr(module, "now", lambda: later[0]() + DAY)
        return True

    monkeypatch.setattr(Work, "is_busy", is_busy)
    said = live(NOON, NOON + DAY, NOON + DAY, NOON + DAY, NOON + DAY, NOON + DAY)
    assert "is busy with another run: waiting for it" in said
    assert said.count("a run was due") == 1
    assert "the next run is due at 2026-07-04 03:00" in said


def test_a_run_waits_for_a_command_that_was_a_moment_faster(tmp_path, monkeypatch):
    work, ended = Work(tmp_path / "work"), []
    command = run_command(RunFlags("ci"), work.root, None, data=tmp_path / "nothing")
    monkeypatch.setattr(Work, "is_busy", lambda _: False)
    with runs.runs_in(work, command, Console(), []) as begun:
        with work.shared():
            running = threading.Thread(target=lambda: ended.append(begun.run("cron", "due")))
            running.start()
            logs = work.schedule / "logs"
            while not any("waiting" in log.read_text() for log in logs.glob("*.txt")):
                assert running.is_alive(), ended
                time.sleep(0.1)  # between two looks at what another process writes
        running.join()
    assert "There is no folder" in ended[0].reason


def test_a_clock_set_back_by_a_day_is_said_once_and_recorded(live, tmp_path):
    _record(tmp_path / "work", "0 3 * * *", NOON)
    said = live(NOON, NOON - DAY, NOON - DAY, NOON - DAY)
    assert said.count("the timetable starts again from the current time") == 1
    assert "runs are recorded up to 2026-07-01 12:00" in said
    assert "the next run is due at 2026-07-01 03:00" in said
    assert _last(tmp_path) == NOON - DAY
    # What comes due while it is down is not lost: it was recorded where the timetable began.
    assert live(NOON, NOON, NOON, NOON).count("running") == 1


def test_a_clock_set_back_by_half_an_hour_repeats_nothing(live, tmp_path):
    three = datetime(2026, 7, 2, 3, 10).astimezone()
    earlier = three - timedelta(minutes=30)
    said = live(NOON, three, three, earlier, earlier, three, three)
    assert said.count("running") == 1
    assert "starts again" not in said
    assert _last(tmp_path) == three


def test_a_record_from_the_future_does_not_hold_up_runs(live, tmp_path):
    _record(tmp_path / "work", "0 3 * * *", datetime.fromisoformat("9999-12-31T23:59:59+00:00"))
    said = live(NOON, NOON, NOON + DAY, NOON + DAY, NOON + DAY, NOON + DAY)
    assert "runs are recorded up to 9999-12-31" in said
    assert said.count("running") == 1


def test_a_record_that_cannot_be_read_is_named_and_kept(live, tmp_path):
    file = tmp_path / "work" / "schedule" / "schedule.json"
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(PipelineError, match=r"schedule\.json cannot be read as a record of"):
        live(NOON, NOON)
    assert file.read_bytes() == b""
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "lock", "running.lock", "schedule.json",
    ]  # fmt: skip


def test_a_hook_that_is_gone_by_now_or_fails_does_not_end_it(live, tmp_path):
    hook = tmp_path / "notify"
    hook.write_text("#!/bin/sh\nexit 7\n")
    hook.chmod(0o755)
    at_three = [NOON, NOON, *[NOON + DAY] * 3, *[NOON + 2 * DAY] * 3]
    said = live(*at_three, command=f"[ -e {hook}.no ] && rm {hook}; touch {hook}.no; exit 1",
                on_failure=str(hook))  # fmt: skip
    assert said.count("ended: the run failed") == 2
    assert "the hook ended with exit code 7" in said
    assert "the hook cannot be started (No such file or directory)" in said
    assert _last(tmp_path) == NOON + 2 * DAY


def test_a_log_that_is_removed_meanwhile_does_not_end_it(live, tmp_path):
    logs = tmp_path / "work" / "schedule" / "logs"
    said = live(NOON, NOON, *[NOON + DAY] * 4, command=f"rm -r {logs}; exit 1")
    assert "ended: the run failed; log:" in said
    assert said.rstrip().endswith("stopped")


def test_where_another_scheduler_is_it_is_refused(live, tmp_path):
    with runs.runs_in(Work(tmp_path / "work"), [], Console(), []):
        with pytest.raises(PipelineError, match="Another `mri schedule` or `mri watch` uses"):
            live(NOON, NOON)


def test_a_run_that_has_just_begun_ends_with_its_scheduler(tmp_path, monkeypatch):
    started = []
    start = subprocess.Popen

    def interrupted(*given, **options):
        started.append(start(*given, **options))
        signal.raise_signal(signal.SIGTERM)
        return started[0]

    monkeypatch.setattr(runs.subprocess, "Popen", interrupted)
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with pytest.raises(Terminated), runs.runs_in(Work(tmp_path), command, Console(), []) as begun:
        begun.run("cron", "due")
    assert started[0].returncode == -signal.SIGTERM
