"""Runs in processes of their own: one at a time, with a log, ended within a bound."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from rich.console import Console

from components.child_process import tail
from components.errors import PipelineError
from pipeline.exit_code import ExitCode
from pipeline.scheduling.stop import Stop
from pipeline.work import Work

GRACE_SECONDS = 15.0
"""How long a run has to end after SIGTERM; then it is killed."""

LOOK_SECONDS = 0.5
"""How often a running process and a busy folder are looked at."""

_TAIL_BYTES = 20_000
_MEANS = {
    ExitCode.FAILED: "the run failed",
    ExitCode.USAGE: "a preset, setting or option is wrong",
    ExitCode.STOPPED_BY_GATE: "the data gate stopped the run",
    ExitCode.NOT_BLESSED: "the model was not blessed, could not be served, or was decided against",
}


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        code: Its exit code; negative where a signal ended it.
        reason: One sentence; empty where all went well.
        log: What it printed.
        stopped: Whether it was ended because the scheduler was.
    """

    code: int
    reason: str
    log: Path
    stopped: bool = False


class Runs:
    """Starts runs in a work folder; no two schedulers do so at once."""

    def __init__(
        self, work: Work, command: Sequence[str], console: Console, stop: Stop, running: IO[bytes]
    ) -> None:
        """Keeps what runs need; see `runs_in`."""
        self._work = work
        self._command = command
        self._console = console
        self._stop = stop
        self._running = running

    def free(self) -> bool:
        """Waits until nothing runs in the folder; False where a signal came first."""
        told = False
        while not self._hold() or self._work.is_busy():
            if not told:
                told = True
                say(self._console, f"{self._work.root} is busy with another run: waiting for it")
            if self._stop.wait(LOOK_SECONDS):
                return False
        return self._stop.signal is None

    def run(self, title: str, *more: str) -> Ended:
        """Runs the command to its end, in a folder that `free` has found free.

        Args:
            title: What it is for, as in `span-003`; part of its log's name.
            more: Arguments to add.

        Returns:
            How it ended.

        Raises:
            PipelineError: It cannot be started.
        """
        stamp = datetime.now().isoformat(timespec="milliseconds").replace(":", "-")
        log = self._work.schedule / "logs" / f"{stamp}-{title}.txt"
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as output:
                # The lock goes along: a run that outlives a killed scheduler still holds it.
                child = subprocess.Popen(
                    [*self._command, *more],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[self._running.fileno()],
                )
        except OSError as error:
            raise PipelineError(
                f"The run for {title} cannot be started ({error.strerror}): {error.filename}."
            ) from error
        while child.poll() is None:
            if self._stop.wait(LOOK_SECONDS):
                end_group(child, GRACE_SECONDS)
                return Ended(child.returncode, "stopped with the scheduler", log, stopped=True)
        return Ended(child.returncode, _reason(child.returncode, log), log)

    def _hold(self) -> bool:
        try:
            fcntl.flock(self._running, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def runs_in(work: Work, command: Sequence[str], console: Console, stop: Stop) -> Iterator[Runs]:
    """Holds a work folder's scheduling.

    Args:
        work: The work folder.
        command: What a run is started with.
        console: Where to say what happens.
        stop: What ends the scheduler.

    Yields:
        What starts runs.

    Raises:
        PipelineError: The folder cannot be written, or another scheduler uses it.
    """
    with work.writing():
        work.schedule.mkdir(parents=True, exist_ok=True)
        own = (work.schedule / "lock").open("wb")
    with own, (work.schedule / "running.lock").open("wb") as running:
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PipelineError(
                f"Another `mri schedule` or `mri watch` uses {work.root}: end it first, or choose "
                "another folder with --work."
            ) from error
        yield Runs(work, command, console, stop, running)


def say(console: Console, sentence: str) -> None:
    """Prints a line with the time before it."""
    now = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    console.print(f"{now}  {sentence}", markup=False, soft_wrap=True)


def end_group(child: "subprocess.Popen[bytes]", grace: float) -> None:
    """Tells a process and what it started to end; kills what has not after a while."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        # A hook that has changed its user, as sudo does, cannot be told.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        until = time.monotonic() + grace
        while child.poll() is None and time.monotonic() < until:
            time.sleep(0.05)


def _reason(code: int, log: Path) -> str:
    """What a person is told about a run's exit code."""
    if code == ExitCode.DONE:
        return ""
    if code < 0:
        return f"the run was ended by {signal.Signals(-code).name}"
    lines: list[str] = []
    with suppress(OSError):  # it may have been removed meanwhile
        # No environment takes a zero, and a hook gets the reason in its own.
        lines = tail(log, _TAIL_BYTES).replace("\0", "\N{REPLACEMENT CHARACTER}").splitlines()
    said = next((line[5:] for line in reversed(lines) if line.startswith("mri: ")), "")
    means = next((words for known, words in _MEANS.items() if known == code), f"exit code {code}")
    return f"{means}: {said}" if said else means
