"""`mri batch`: many images with the pushed model, into Parquet or CSV."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from components.counted import counted
from components.disclaimer import DISCLAIMER
from imaging.leftovers import Leftovers
from mri.batch.inputs import list_files
from mri.options import Beam, WorkFolder, spread
from mri.served import find_saved_model
from pipeline.engine_check import ready_options
from pipeline.exit_code import ExitCode

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri batch scans results\n\n"
    "  mri batch 'incoming/**/*.dcm' results --format csv\n\n"
    "Give the same command again, and it continues where it was interrupted.\n\n"
    "Exit codes: 0 done; 1 the command failed, or no file could be classified; "
    "2 usage."
)
@spread
def batch(
    console: Console,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Folder, glob pattern in quotes, or .txt file with one path on each line. "
            "JPEG, PNG, GIF, BMP, TIFF, WebP, JPEG 2000, DICOM or NIfTI.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the results.")],
    work: WorkFolder = Path("work"),
    model: Annotated[
        Path | None,
        typer.Option(
            help="A pushed model's name, or a SavedModel; default: the only pushed model."
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - as users call it
        Literal["parquet", "csv"], typer.Option(help="Format of the results.")
    ] = "parquet",
    shard_size: Annotated[
        int, typer.Option(min=1, help="Files in each file of results (one shard).")
    ] = 256,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images that the model takes at once.")
    ] = 16,
    beam: Beam = "local",
) -> None:
    """Classify many images into Parquet or CSV, frame by frame; a bad file's row says why."""
    leftovers = Leftovers()
    files = list_files(source, out, leftovers)
    saved_model = find_saved_model(model, work).absolute()
    beam_options = ready_options(beam)
    with console.status("starting TensorFlow and Beam"):
        from mri.batch.shards import run_batch
    shards = run_batch(
        out,
        files,
        saved_model,
        shard_size=shard_size,
        format=format,
        batch_size=batch_size,
        beam_options=beam_options,
    )
    columns = TextColumn("files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(files))
        done = []
        for shard in shards:
            done.append(shard)
            progress.advance(task, shard.files)
    rows, errors, skipped = map(sum, zip(*done, strict=True))
    if leftovers.count:
        console.print(
            "skipped, as systems left them behind: "
            f"{counted(leftovers.count, 'file or folder', 'files and folders')}"
        )
    if skipped:
        console.print(f"there already: {skipped:,} of {counted(len(done), 'shard')}")
    console.print(
        f"{counted(rows, 'file')}, {rows - errors:,} classified, {errors:,} with an error; model "
        f"{saved_model.name}; results in {out}",
        soft_wrap=True,
        markup=False,
    )
    console.print(f"[dim]{DISCLAIMER}[/]")
    if errors >= rows:  # of many some may be bad, and their rows say why
        raise typer.Exit(ExitCode.FAILED)
