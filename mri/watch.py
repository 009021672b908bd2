"""`mri watch`: a run for every span that arrives, in order, one at a time."""

from pathlib import Path
from typing import Annotated

import typer

from mri.options import Metadata, WorkFolder, spread
from mri.run_flags import RunFlags
from mri.terminal import PlainConsole
from mri.unattended import OnFailure, run_command
from pipeline.scheduling.watch import Pace, watch_folder
from pipeline.work import Work

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example:\n\n"
    "  mri watch incoming --preset notebook --on-failure 'notify-team brain-mri'\n\n"
    "Exit codes: 0 done, or ended by SIGTERM; 1 failed; 2 usage; with --once those of mri run: 1 "
    "if the run for a span failed, 3 if one was stopped by the gate, 4 if a model was not blessed."
)
@spread
def watch(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder in which span-NNN folders arrive.")
    ],
    flags: RunFlags,
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
    on_failure: OnFailure = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when all spans in FOLDER have been run.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also run spans again that have failed.")
    ] = False,
    settle: Annotated[
        float,
        typer.Option(min=0, help="Seconds for which a span must not change before it is run."),
    ] = 10.0,
) -> None:
    """Run the pipeline for each span that arrives in a folder, one at a time and in order."""
    ended = watch_folder(
        Work(work.absolute()),
        folder.absolute(),
        run_command(flags, work, metadata, data=folder),
        PlainConsole(),
        on_failure=on_failure,
        pace=Pace(poll=min(5.0, max(settle, 0.2)), settle=settle),
        once=once,
        retry_failed=retry_failed,
    )
    if ended:
        raise typer.Exit(ended)
