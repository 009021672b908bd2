"""`mri schedule`: a run whenever a cron time comes."""

from pathlib import Path
from typing import Annotated

import typer

from mri.options import Metadata, WorkFolder, spread
from mri.run_flags import Data, RunFlags, Span
from mri.terminal import PlainConsole
from mri.unattended import OnFailure, run_command
from pipeline.scheduling.timetable import schedule_runs
from pipeline.work import Work

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example:\n\n  mri schedule --cron '0 3 * * *' --data incoming --preset notebook\n\n"
    "If times were missed, the next start makes one run for all of them. SIGTERM ends it."
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
    """Run the pipeline at the times of a cron expression, one run at a time."""
    schedule_runs(
        Work(work.absolute()),
        cron,
        run_command(flags, work, metadata, data=data, span=span),
        PlainConsole(),
        on_failure=on_failure,
    )
