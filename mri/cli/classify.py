"""`mri predict` and `mri batch`: images in, classes out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mri.options import AsJson, Work
from pipeline.exit_code import ExitCode

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n  mri predict scan.jpg\n\n  mri predict --json *.png > results.json\n\n"
    "  mri predict scan.jpg --figure result.png\n\n"
    "  mri predict scan.dcm --server https://mri.example.org\n\n"
    "Exit codes: 0 every image was classified, 1 failed, or some image could not be."
)
def predict(
    images: Annotated[
        list[Path], typer.Argument(help="JPEG or PNG files; with --server DICOM and TIFF, too.")
    ],
    work: Work = Path("work"),
    model: Annotated[
        Path | None,
        typer.Option(
            help="A pushed model's name, or a SavedModel; default: the only pushed model. With "
            "--server: the model's name."
        ),
    ] = None,
    as_json: AsJson = False,
    figure: Annotated[
        Path | None, typer.Option(help="Write a picture: each image beside its result.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Ask a model server: HOST:8500, http:// or https://."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="MRI_SERVER_TOKEN", show_envvar=True, help="For its proxy."),
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="PEM file that vouches for the server.")] = None,
) -> None:
    """Classify images with the pushed model, or with a model server."""
    from mri.predict import classify

    if not classify(
        images,
        model,
        work,
        as_json=as_json,
        figure=figure,
        server=server,
        token=token,
        ca=ca,
    ):
        raise typer.Exit(ExitCode.FAILED)


@app.command(
    epilog="Examples:\n\n  mri batch scans results\n\n"
    "  mri batch 'incoming/**/*.dcm' results --format csv\n\n"
    "The same command again goes on where it was cut off.\n\n"
    "Exit codes: 0 done, 1 failed, or not one file could be classified."
)
def batch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Folder, glob pattern in quotes, or .txt file with a path a line. "
            "JPEG, PNG, GIF, BMP, TIFF or DICOM.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the results.")],
    work: Work = Path("work"),
    model: Annotated[
        Path | None,
        typer.Option(
            help="A pushed model's name, or a SavedModel; default: the only pushed model."
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - as users call it
        Literal["parquet", "csv"], typer.Option(help="Of the results.")
    ] = "parquet",
    shard_size: Annotated[int, typer.Option(min=1, help="Files a results file.")] = 256,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at once through the model.")] = 16,
) -> None:
    """Classify many images into Parquet or CSV; a bad file gets an error, and ends nothing."""
    from mri.batch.command import classify_files

    if not classify_files(
        source, out, model, work, format=format, shard_size=shard_size, batch_size=batch_size
    ):
        raise typer.Exit(ExitCode.FAILED)
