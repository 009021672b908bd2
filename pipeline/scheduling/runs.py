"""Runs in processes of their own: one at a time, with a log, ended within a bound."""

import fcntl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from signal import Signals
from typing import IO

from rich.console import Console

from components.child_process import tail
from components.errors import PipelineError
from pipeline.exit_code import ExitCode
from pipeline.scheduling.hook import GRACE_SECONDS, end_group, tell
from pipeline.termination import STOPPED, stopping_deferred, stopping_raises
from pipeline.work import Work

LOOK_SECONDS = 0.5
"""How often a busy folder is looked at."""

_TAIL_BYTES = 20_000
_MEANS = {
    ExitCode.FAILED: "the run failed",
    ExitCode.USAGE: "a value that the run was given is wrong",
    ExitCode.STOPPED_BY_GATE: "the data gate stopped the run",
    ExitCode.NOT_BLESSED: "the model was not blessed, could not be served, or was decided against",
}


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        title: What it was for, as in `span-003`.
        begun: When it began.
        code: Its exit code; negative where a signal ended it.
        reason: One sentence; empty where all went well.
        log: What it printed.
    """

    title: str
    begun: datetime
    code: int
    reason: str
    log: Path


@dataclass
class Runs:
    """Starts runs in a work folder; no two schedulers do so at once. See `runs_in`.

    Attributes:
        work: The work folder.
        command: What a run is started with.
        console: Where to say what happens.
        hook: The words of the command that is told of a failure.
        running: The lock of the run that is going on.
    """

    work: Work
    command: Sequence[str]
    console: Console
    hook: list[str]
    running: IO[bytes]
    _told: str = ""

    def wait(self, words: str, seconds: float) -> None:
        """Waits, and says for what where that has changed."""
        if words != self._told:
            self._told = words
            self.say(words)
        time.sleep(seconds)

    def run(self, title: str, words: str, *more: str) -> Ended:
        """Runs the command to its end, once no other run holds the folder.

        Args:
            title: What it is for, as in `span-003`; part of its log's name.
            words: Why it begins.
            more: Arguments to add.

        Returns:
            How it ended.

        Raises:
            PipelineError: It cannot be started.
        """
        while not _hold(self.running) or self.work.is_busy():
            self.wait(f"{self.work.root} is busy with another run: waiting for it", LOOK_SECONDS)
        self._told = ""
        self.say(f"{words}: running")
        begun = now()
        stamp = begun.replace(tzinfo=None).isoformat(timespec="milliseconds").replace(":", "-")
        log = self.work.schedule / "logs" / f"{stamp}-{title}.txt"
        child: subprocess.Popen[bytes] | None = None
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as output, stopping_deferred():
                # The lock goes along: a run that outlives a killed scheduler still holds it.
                child = subprocess.Popen(
                    [*self.command, *more],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[self.running.fileno()],
                )
            code = child.wait()
        except STOPPED:
            if child is not None:
                end_group(child, GRACE_SECONDS)
            raise
        except OSError as error:
            raise PipelineError(
                f"The run for {title} cannot be started ({error.strerror}): {error.filename}."
            ) from error
        ended = Ended(title, begun, code, _reason(code, log), log)
        self.say(f"{title} ended: {ended.reason or 'done'}; log: {log}")
        return ended

    def tell(self, ended: Ended) -> None:
        """Tells the hook of a run that failed; its end is recorded before."""
        if ended.reason:
            facts = {
                "reason": ended.reason,
                "exit_code": ended.code,
                "log": str(ended.log),
                "for": ended.title,
                "work": str(self.work.root),
            }
            tell(self.hook, facts, self.say)

    def say(self, sentence: str) -> None:
        """Prints a line with the time before it."""
        stamp = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
        self.console.print(f"{stamp}  {sentence}", markup=False, soft_wrap=True)


def now() -> datetime:
    """The time on this machine's clock."""
    return datetime.now().astimezone()


@contextmanager
def runs_in(
    work: Work, command: Sequence[str], console: Console, hook: list[str]
) -> Iterator[Runs]:
    """Holds a work folder's scheduling.

    Args:
        work: The work folder.
        command: What a run is started with.
        console: Where to say what happens.
        hook: The words of the command that is told of a failure.

    Yields:
        What starts runs.

    Raises:
        PipelineError: The folder cannot be written, or another scheduler uses it.
        Terminated: SIGTERM has come; the run that was going on has ended.
    """
    with work.writing():
        work.schedule.mkdir(parents=True, exist_ok=True)
        own = (work.schedule / "lock").open("wb")
    with own, (work.schedule / "running.lock").open("wb") as running:
        if not _hold(own):
            raise PipelineError(
                f"Another `mri schedule` or `mri watch` uses {work.root}: end it first, or choose "
                "another folder with --work."
            )
        runs = Runs(work, command, console, hook, running)
        with stopping_raises():
            try:
                yield runs
            except STOPPED:
                runs.say("stopped")
                raise


def _hold(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _reason(code: int, log: Path) -> str:
    """What a person is told about a run's exit code."""
    if code == ExitCode.DONE:
        return ""
    if code < 0:
        return f"the run was ended by {Signals(-code).name}"
    lines: list[str] = []
    with suppress(OSError):  # it may have been removed meanwhile
        # No environment takes a zero, and a hook gets the reason in its own.
        lines = tail(log, _TAIL_BYTES).replace("\0", "\N{REPLACEMENT CHARACTER}").splitlines()
    said = next((line[5:] for line in reversed(lines) if line.startswith("mri: ")), "")
    means = next((words for known, words in _MEANS.items() if known == code), f"exit code {code}")
    return f"{means}: {said}" if said else means
