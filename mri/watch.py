"""`mri watch`: a run for every span that arrives, in order, one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components.errors import PipelineError
from mri.options import Metadata, WorkFolder, spread
from mri.run_flags import RunFlags
from mri.unattended import OnFailure, run_command
from pipeline.exit_code import ExitCode
from pipeline.scheduling.hook import parse_hook, tell
from pipeline.scheduling.record import SpanRecord, State, WatchRecord, read_record, write_record
from pipeline.scheduling.runs import Ended, Runs, runs_in, say
from pipeline.scheduling.spans import Arrivals
from pipeline.scheduling.stop import Stop, stop_on_signals
from pipeline.work import Work

app = typer.Typer(add_completion=False)

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


@app.command(
    epilog="Example:\n\n"
    "  mri watch incoming --preset notebook --on-failure 'notify-team brain-mri'\n\n"
    "Exit codes: 0 done, or ended by SIGTERM; 1 failed; with --once those of mri run: 1 if the run "
    "for a span failed, 3 if one was stopped by the gate, 4 if a model was not blessed."
)
@spread
def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where span-NNN folders arrive.")],
    flags: RunFlags,
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
    on_failure: OnFailure = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when every span that is there has been run.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again the spans that have failed.")
    ] = False,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds for which a span must stay the same.")
    ] = 10.0,
) -> None:
    """Run the pipeline for every span that arrives in a folder, in order, one at a time."""
    ended = watch_folder(
        Work(work.absolute()),
        folder.absolute(),
        run_command(flags, work, metadata, data=folder),
        Console(highlight=False, emoji=False),
        on_failure=on_failure,
        pace=Pace(poll=min(5.0, max(settle, 0.2)), settle=settle),
        once=once,
        retry_failed=retry_failed,
    )
    if ended:
        raise typer.Exit(ended)


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
        raise PipelineError(f"There is no folder {folder}: make it, and spans can arrive in it.")
    with stop_on_signals() as stop, runs_in(work, command, console, stop) as runs:
        watcher = _Watcher(work, Arrivals(folder, pace.settle), runs, hook, console, stop, pace)
        if retry_failed:
            watcher.forget_failed()
        watcher.watch(once=once)
        say(console, "stopped" if stop.signal else "every span that is there has been run")
        return watcher.code if once and stop.signal is None else ExitCode.DONE


class _Watcher:
    def __init__(
        self,
        work: Work,
        arrivals: Arrivals,
        runs: Runs,
        hook: list[str],
        console: Console,
        stop: Stop,
        pace: Pace,
    ) -> None:
        self._work, self._arrivals, self._runs, self._hook = work, arrivals, runs, hook
        self._console, self._stop, self._pace = console, stop, pace
        self._file = work.schedule / "watch.json"
        folder = str(arrivals.folder)
        known = read_record(self._file, WatchRecord)
        if known and Path(known.folder).resolve() != arrivals.folder.resolve():
            raise PipelineError(
                f"{work.root} has watched {known.folder} until now: give {folder} a work folder of "
                f"its own with --work, or remove {self._file} to begin anew."
            )
        self._record = known or WatchRecord(folder=folder)
        self._codes: set[ExitCode] = set()

    @property
    def code(self) -> ExitCode:
        """What the runs that came to an end come to."""
        return min(self._codes - {ExitCode.DONE}, default=ExitCode.DONE)

    def forget_failed(self) -> None:
        for number, span in list(self._record.spans.items()):
            if span.state == "failed":
                del self._record.spans[number]

    def watch(self, *, once: bool) -> None:
        told = ""
        while self._stop.signal is None:
            try:
                waiting = [one for one in self._arrivals.present() if self._is_open(one)]
                # All are looked at, so that they settle side by side; the lowest goes first.
                whole = [one for one in waiting if self._arrivals.is_whole(one)]
            except OSError as error:
                waiting, whole = [], []
                words = f"{self._arrivals.folder} cannot be listed ({error.strerror}): waiting"
                if once:
                    raise PipelineError(words.removesuffix(": waiting") + ".") from error
            except PipelineError as error:
                waiting, whole = [], []
                words = str(error)
                if once:
                    raise
            else:
                words = f"watching {self._arrivals.folder}"
                if waiting:
                    names = ", ".join(f"span-{one:03}" for one in waiting)
                    words = f"{names} arrived; waiting until whole"
            if waiting and waiting[0] in whole:
                self._run(waiting[0])
                told = ""
                continue
            if once and not waiting:
                return
            if words != told:
                told = words
                say(self._console, words)
            self._stop.wait(self._pace.poll)

    def _is_open(self, number: int) -> bool:
        known = self._record.spans.get(number)
        return known is None or known.state == "running"

    def _run(self, number: int) -> None:
        if not self._runs.free():
            return
        name = f"span-{number:03}"
        span = self._record.spans.get(number) or SpanRecord(state="running")
        self._note(number, span)
        say(self._console, f"{name} is whole: running")
        ended = self._runs.run(name, "--span", str(number))
        if ended.stopped:
            return
        say(self._console, f"{name} ended: {ended.reason or 'done'}; log: {ended.log}")
        there = self._is_there(number)
        self._judge(number, span, ended, counts=there)
        if ended.reason:
            tell(self._hook, self._work, name, ended, self._console, self._stop)
        if ended.code == ExitCode.USAGE:
            raise PipelineError(f"Every span would fail, so watching ends: {ended.reason}")
        if self._is_open(number):
            when = f"in {self._pace.retry:.0f} s" if there else "when it is back"
            say(self._console, f"{name} is tried again {when}")
            self._stop.wait(self._pace.retry)

    def _is_there(self, number: int) -> bool:
        try:
            return number in self._arrivals.present()
        except (OSError, PipelineError):
            return False

    def _judge(self, number: int, span: SpanRecord, ended: Ended, *, counts: bool) -> None:
        """Records how a span's run ended, and whether it is tried again."""
        if ended.code == ExitCode.USAGE:
            return
        state = _FINAL.get(ended.code)
        tries = span.tries + (state is None and counts)
        state = state or ("failed" if tries >= TRIES else "running")
        if state != "running":
            self._codes.add(ExitCode.FAILED if state == "failed" else ExitCode(ended.code))
        self._note(number, SpanRecord(state=state, tries=tries, log=str(ended.log)))

    def _note(self, number: int, span: SpanRecord) -> None:
        self._record.spans[number] = span
        write_record(self._file, self._record)
