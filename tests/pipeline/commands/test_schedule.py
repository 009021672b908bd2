import json
import signal
import subprocess
import sys
from datetime import datetime, timedelta

from toy_run import mri


def _record(work, cron: str, last: datetime) -> None:
    (work / "schedule").mkdir(parents=True)
    facts = {"cron": cron, "last": last.isoformat()}
    (work / "schedule" / "schedule.json").write_text(json.dumps(facts))


def _start(work, tmp_path, cron: str, *more: str) -> subprocess.Popen:
    # There are no images: the run that it starts is a real one, and fails at once.
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "schedule", "--cron", cron, "--work", str(work),
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
    _record(work, "0 3 * * *", datetime.now().astimezone() - timedelta(days=5))
    scheduler = _start(
        work, tmp_path, "0 3 * * *", "--on-failure", f"sh -c 'cat > {told}'",
    )  # fmt: skip
    said = _read_until(scheduler, "the next run is due")
    scheduler.send_signal(signal.SIGTERM)
    scheduler.communicate(timeout=20)
    assert scheduler.returncode == 0
    assert sum("running" in line for line in said) == 1
    assert "There is no folder" in "".join(said)
    facts = json.loads(told.read_text())
    assert facts["exit_code"] == 1
    assert "There is no folder" in facts["reason"]
    last = json.loads((work / "schedule" / "schedule.json").read_text())["last"]
    assert datetime.now().astimezone() - datetime.fromisoformat(last) < timedelta(minutes=5)


def test_another_expression_has_missed_nothing(tmp_path):
    work = tmp_path / "work"
    _record(work, "0 4 * * *", datetime.now().astimezone() - timedelta(days=5))
    scheduler = _start(work, tmp_path, "0 3 * * *")
    [_said] = _read_until(scheduler, "the next run is due")
    scheduler.send_signal(signal.SIGINT)
    scheduler.communicate(timeout=20)
    assert scheduler.returncode == 130


def test_wrong_options_are_refused_before_anything_runs(tmp_path):
    for more, words in (
        (["--cron", "daily"], "--cron"),
        (["--cron", "0 3 * * *", "--preset", "smaple"], "did you mean"),
        (["--cron", "0 3 * * *", "--on-failure", "no-such-program"], "--on-failure"),
    ):
        result = mri("schedule", *more, "--work", str(tmp_path / "work"))
        assert result.returncode == 2
        assert words in result.stderr
        assert not (tmp_path / "work").exists()
