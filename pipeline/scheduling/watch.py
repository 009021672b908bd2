"""`mri watch`: a run for every span that arrives, in order, one at a time."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from components.errors import PipelineError, UsageError, path_error
from pipeline.exit_code import ExitCode
from pipeline.scheduling.hook import parse_hook
from pipeline.scheduling.record import SpanRecord, State, WatchRecord, read_record, write_record
from pipeline.scheduling.runs import Runs, runs_in
from pipeline.scheduling.spans import Arrivals
from pipeline.termination import Terminated, stopping_deferred
from pipeline.work import Work

TRIES = 3
"""How often a span is run that fails; the gate's and the Evaluator's verdicts are final."""

_FINAL: dict[int, State] = {
    ExitCode.DONE: "done",
    ExitCode.STOPPED_BY_GATE: "stopped by the gate",
    ExitCode.NOT_BLESSED: "not blessed",
}


@dataclass(frozen=True)
class Pace:
    """How patient the watcher is, in seconds.

    Attributes:
        poll: Between two looks at the folder.
        settle: How long a span's listing must stay the same.
        retry: Before a span that failed is tried again.
    """

    poll: float = 5.0
    settle: float = 10.0
    retry: float = 60.0


def watch_folder(
    work: Work,
    folder: Path,
    command: Sequence[str],
    console: Console,
    *,
    on_failure: str | None = None,
    pace: Pace = Pace(),
    once: bool = False,
    retry_failed: bool = False,
) -> ExitCode:
    """Runs a command with `--span N` for each span until a signal comes.

    Args:
        work: The work folder.
        folder: Where spans arrive.
        command: What a run is started with.
        console: Where to say what happens.
        on_failure: The command that is told of a failure.
        pace: How patient it is.
        once: Whether to end when nothing is left to run.
        retry_failed: Whether spans that have failed before are tried again.

    Returns:
        With `once`, what a run for one span ended with that was not done: failed before stopped by
        the gate before not blessed. Otherwise, and where all were, DONE.

    Raises:
        PipelineError: The folder or the hook cannot be used, or a setting is wrong.
    """
    hook = parse_hook(on_failure)
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}: create it, so that spans can arrive in it.")
    with suppress(Terminated), runs_in(work, command, console, hook) as runs:
        watcher = _Watcher(work, Arrivals(folder, pace.settle), runs, pace)
        if retry_failed:
            watcher.forget_failed()
        watcher.watch(once=once)
        runs.say("all spans have been run")
        return watcher.code
    return ExitCode.DONE


class _Watcher:
    def __init__(self, work: Work, arrivals: Arrivals, runs: Runs, pace: Pace) -> None:
        self._arrivals, self._runs, self._pace = arrivals, runs, pace
        self._file = work.schedule / "watch.json"
        folder = str(arrivals.folder)
        known = read_record(self._file, WatchRecord)
        if known and Path(known.folder).resolve() != arrivals.folder.resolve():
            raise UsageError(
                f"{work.root} has been used to watch {known.folder}: give {folder} a work folder "
                f"of its own with --work, or remove {self._file} to start again."
            )
        self._record = known or WatchRecord(folder=folder)
        self._codes: set[ExitCode] = set()

    @property
    def code(self) -> ExitCode:
        """What the runs that came to an end come to."""
        return min(self._codes - {ExitCode.DONE}, default=ExitCode.DONE)

    def forget_failed(self) -> None:
        spans = self._record.spans.items()
        self._record.spans = {n: span for n, span in spans if span.state != "failed"}

    def watch(self, *, once: bool) -> None:
        while True:
            try:
                waiting = [one for one in self._arrivals.present() if self._is_open(one)]
                # All are looked at, so that they settle side by side; the lowest goes first.
                whole = [one for one in waiting if self._arrivals.is_whole(one)]
            except (OSError, PipelineError) as error:
                words, kind = str(error), type(error)
                if isinstance(error, OSError):
                    words = f"{self._arrivals.folder} cannot be listed ({error.strerror})."
                    kind = path_error(error)
                if once:
                    raise kind(words) from error
                self._runs.wait(f"{words.removesuffix('.')}: waiting", self._pace.poll)
                continue
            if waiting and waiting[0] in whole:
                self._run(waiting[0])
                continue
            if once and not waiting:
                return
            names = ", ".join(f"span-{one:03}" for one in waiting)
            idle = f"watching {self._arrivals.folder}"
            words = f"{names} arrived; waiting until complete" if names else idle
            self._runs.wait(words, self._pace.poll)

    def _is_open(self, number: int) -> bool:
        known = self._record.spans.get(number)
        return known is None or known.state == "running"

    def _run(self, number: int) -> None:
        """Runs a span and records how that ended, and whether it is tried again."""
        name = f"span-{number:03}"
        span = self._record.spans.get(number) or SpanRecord(state="running")
        self._note(number, span)
        ended = self._runs.run(name, f"{name} is complete", "--span", str(number))
        with stopping_deferred():
            there, state = self._arrivals.is_there(number), _FINAL.get(ended.code)
            tries = span.tries + (state is None and there)
            state = state or ("failed" if tries >= TRIES else "running")
            self._note(number, SpanRecord(state=state, tries=tries, log=str(ended.log)))
        self._runs.tell(ended)
        if state != "running":
            self._codes.add(ExitCode.FAILED if state == "failed" else ExitCode(ended.code))
            return
        when = f"in {self._pace.retry:.0f} s" if there else "when it is back"
        self._runs.wait(f"{name} is tried again {when}", self._pace.retry)

    def _note(self, number: int, span: SpanRecord) -> None:
        self._record.spans[number] = span
        write_record(self._file, self._record)
