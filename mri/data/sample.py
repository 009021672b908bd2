"""`mri data sample`: synthetic images in a folder of one's choice."""

from pathlib import Path
from typing import Annotated

import typer

from components.errors import UsageError
from mri.terminal import PlainConsole
from pipeline.sample import ensure_patients, ensure_sample

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri data sample sample-images --per-class 50 --seed 7\n\n"
    "  mri data sample patients --dicom --patients 4"
)
def sample(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to make.")],
    per_class: Annotated[
        int,
        typer.Option(
            min=1, help="Training images of each class; a quarter as many test images are added."
        ),
    ] = 160,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
    dicom: Annotated[
        bool,
        typer.Option("--dicom", help="Write patients as DICOM studies instead: whole MR series."),
    ] = False,
    patients: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="With --dicom: how many, 4 by default."),
    ] = None,
) -> None:
    """Make a folder of [bold]synthetic[/] brain MRI images with painted tumours."""
    console = PlainConsole()
    if dicom:
        ensure_patients(out, console, patients=patients or 4, seed=seed)
        said = f"Synthetic patients in {out}. Send them to a node: storescu +sd +r HOST PORT {out}"
    elif patients is not None:
        raise UsageError("--patients goes with --dicom: add it, or use --per-class.")
    else:
        ensure_sample(out, console, per_class=per_class, seed=seed)
        said = f"Synthetic images in {out}. Try: mri run --data {out}"
    console.print(said, soft_wrap=True, markup=False)
