"""`mri doctor`: the machine that all of this runs on."""

from pathlib import Path

import typer

from pipeline.cli.options import Work
from pipeline.exit_code import ExitCode

app = typer.Typer()


@app.command()
def doctor(
    work: Work = Path("work"),
) -> None:
    """Check what this machine has: versions, processor, memory, disk, weights, pushed model."""
    from pipeline.commands.doctor import examine

    if not examine(work.absolute()):
        raise typer.Exit(ExitCode.FAILED)
