"""`mri serve files`: the configuration of TensorFlow Serving, Compose and Prometheus."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from components.servable import MODEL_NAME
from mri.options import WorkFolder
from mri.terminal import PlainConsole
from serving.tf_serving.config import DeploymentConfig
from serving.tf_serving.files import write_files

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri serve files deployment\n\n  mri serve files deployment --pacs"
)
def files(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write.")],
    work: WorkFolder = Path("work"),
    model: Annotated[str, typer.Option(help="Name of the model.")] = MODEL_NAME,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that have been edited.")
    ] = False,
    pacs: Annotated[
        bool,
        typer.Option("--pacs", help="Write those of an archive, a viewer and a DICOM node, too."),
    ] = False,
) -> None:
    """Write the configuration of TensorFlow Serving, Docker Compose and Prometheus."""
    config = DeploymentConfig(name=model, models=work.absolute() / "serving" / model)
    console = PlainConsole()
    written = write_files(config, out, force=force, pacs=pacs)
    for path in written:
        console.print(str(path), markup=False, soft_wrap=True)
    composed = [path for path in written if path.name.startswith("docker-compose")]
    files = " ".join(f"--file {shlex.quote(str(path))}" for path in composed)
    said = f"SECRET_KEY=... docker compose {files} up"
    console.print(said, style="dim", markup=False, soft_wrap=True)
