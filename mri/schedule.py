"""`mri schedule`: a run whenever a cron time comes."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mri.options import Metadata, WorkFolder, spread
from mri.run_flags import Data, RunFlags, Span
from mri.unattended import OnFailure, run_command
from pipeline.scheduling.hook import parse_hook, tell
from pipeline.scheduling.record import ScheduleRecord, read_record, write_record
from pipeline.scheduling.runs import runs_in, say
from pipeline.scheduling.stop import stop_on_signals
from pipeline.scheduling.timetable import Timetable, parse_cron
from pipeline.work import Work

app = typer.Typer(add_completion=False)

CLOCK_SECONDS = 20.0
"""How often the clock is looked at, so that one that is set is noticed."""


@app.command(
    epilog="Example:\n\n  mri schedule --cron '0 3 * * *' --data incoming --preset notebook\n\n"
    "Times that were missed make one run when it starts again. SIGTERM ends it."
)
@spread
def schedule(
    cron: Annotated[
        str, typer.Option(metavar="FIELDS", help="Minute, hour, day, month, weekday, as in cron.")
    ],
    flags: RunFlags,
    data: Data = None,
    span: Span = None,
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
    on_failure: OnFailure = None,
) -> None:
    """Run the pipeline whenever a cron time comes, one run at a time."""
    schedule_runs(
        Work(work.absolute()),
        cron,
        run_command(flags, work, metadata, data=data, span=span),
        Console(highlight=False, emoji=False),
        on_failure=on_failure,
    )


def schedule_runs(
    work: Work, cron: str, command: Sequence[str], console: Console, *, on_failure: str | None
) -> None:
    """Runs a command at a timetable's times until a signal comes.

    Args:
        work: The work folder.
        cron: A crontab expression.
        command: What a run is started with.
        console: Where to say what happens.
        on_failure: The command that is told of a failure.

    Raises:
        PipelineError: The expression or the hook is wrong, or the folder cannot be used.
    """
    times, hook = parse_cron(cron), parse_hook(on_failure)
    file = work.schedule / "schedule.json"
    with stop_on_signals() as stop, runs_in(work, command, console, stop) as runs:
        record = read_record(file, ScheduleRecord)
        known = record is not None and record.cron == cron
        timetable = Timetable(times, record.last if record and known else _now())
        write_record(file, ScheduleRecord(cron=cron, last=timetable.last))
        told = None
        while stop.signal is None:
            now = _now()
            recorded = timetable.last
            if timetable.begins_anew(now):
                write_record(file, ScheduleRecord(cron=cron, last=now))
                say(
                    console,
                    f"runs are recorded up to {recorded:%Y-%m-%d %H:%M %Z}, and the clock was set "
                    "back to before that: the timetable begins anew from now",
                )
            if not timetable.is_due(now):
                due = timetable.next()
                if due != told:
                    told = due
                    say(console, f"the next run is due at {due:%Y-%m-%d %H:%M %Z}")
                stop.wait(min(CLOCK_SECONDS, max(0.1, (due - now).total_seconds())))
                continue
            if not runs.free():
                break
            say(console, f"a run was due at {timetable.next():%Y-%m-%d %H:%M %Z}: running")
            begun = _now()
            ended = runs.run("cron")
            if ended.stopped:
                break
            say(console, f"ended: {ended.reason or 'done'}; log: {ended.log}")
            timetable.seen_to(begun)
            write_record(file, ScheduleRecord(cron=cron, last=timetable.last))
            if ended.reason:
                tell(hook, work, "cron", ended, console, stop)
        say(console, "stopped")


def _now() -> datetime:
    return datetime.now().astimezone()
