"""`mri data sample`: synthetic images in a folder of one's choice."""

from pathlib import Path
from typing import Annotated

import typer

from mri.terminal import PlainConsole
from pipeline.sample import ensure_sample

app = typer.Typer(add_completion=False)


@app.command(epilog="Example:\n\n  mri data sample sample-images --per-class 50 --seed 7")
def sample(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    per_class: Annotated[
        int,
        typer.Option(
            min=1, help="Training images of each class; a quarter as many test images are added."
        ),
    ] = 160,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
) -> None:
    """Make a folder of [bold]synthetic[/] brain MRI images with planted tumours."""
    console = PlainConsole()
    ensure_sample(out, console, per_class=per_class, seed=seed)
    said = f"Synthetic images in {out}. Try: mri run --data {out}"
    console.print(said, soft_wrap=True, markup=False)
