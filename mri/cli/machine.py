"""`mri doctor` and `mri clean`: the machine that all of this runs on, and room on its disk."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mri.options import Metadata, Work
from pipeline.exit_code import ExitCode

app = typer.Typer()


@app.command()
def doctor(
    work: Work = Path("work"),
) -> None:
    """Check what this machine has: versions, processor, memory, disk, weights, pushed model."""
    from mri.doctor import examine

    if not examine(work.absolute()):
        raise typer.Exit(ExitCode.FAILED)


@app.command(
    epilog="Examples:\n\n  mri clean --keep 10 --dry-run\n\n  mri clean --keep 10 --work work"
)
def clean(
    keep: Annotated[
        int, typer.Option(min=0, metavar="N", help="Keep all that the N newest runs used.")
    ],
    work: Work = Path("work"),
    metadata: Metadata = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove old runs' artifacts and caches, never what is served, waits or was blessed last."""
    from mri.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from mri.clean import clean as remove_old

        done = remove_old(console, work.absolute(), keep, metadata_url=metadata, dry_run=dry_run)
    if not done:
        raise typer.Exit(ExitCode.FAILED)
