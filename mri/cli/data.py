"""`mri data`: make, fetch and look at image folders."""

from pathlib import Path
from typing import Annotated

import typer

from mri.options import Labels
from pipeline.exit_code import ExitCode

app = typer.Typer()
data_app = typer.Typer(no_args_is_help=True, help="Make and look at image folders.")
app.add_typer(data_app, name="data")


@data_app.command(
    "sample", epilog="Example:\n\n  mri data sample sample-images --per-class 50 --seed 7"
)
def data_sample(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    per_class: Annotated[
        int, typer.Option(min=1, help="Training images of each class; a quarter more for testing.")
    ] = 160,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same images.")] = 0,
) -> None:
    """Make a folder of [bold]synthetic[/] brain MRI images with planted tumours."""
    from mri.data.sample import make_sample

    make_sample(out, per_class=per_class, seed=seed)


@data_app.command(
    "inspect",
    epilog="Examples:\n\n  mri data inspect brain-tumor-mri\n\n"
    "  mri data inspect brain-tumor-mri --json > findings.json\n\n"
    "  mri data inspect scans --labels labels.csv\n\n"
    "Exit codes: 0 done, 1 failed, or not one file can be used.",
)
def data_inspect(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with Training/CLASS and Testing/CLASS, or CLASS folders alone.",
        ),
    ],
    html: Annotated[
        Path | None, typer.Option(help="Where the page goes; default: NAME-inspection.html here.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; a page is written only with --html.")
    ] = False,
    classes: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Class folders to read; default: all.")
    ] = None,
    labels: Labels = None,
) -> None:
    """Say what is in a folder of images, and whether figures measured on it can be trusted."""
    from mri.data.inspect import inspect_folder

    if not inspect_folder(folder, html=html, classes=classes, as_json=as_json, labels=labels):
        raise typer.Exit(ExitCode.FAILED)


@data_app.command("fetch", epilog="Example:\n\n  mri data fetch data/brain-tumor-mri")
def data_fetch(
    out: Annotated[Path, typer.Argument(help="Folder to make.")] = Path("data/brain-tumor-mri"),
) -> None:
    """Fetch the 7,023 public images from Kaggle; a download that was cut goes on."""
    from mri.data.fetch import fetch_images

    fetch_images(out)
