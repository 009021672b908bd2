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


@app.command(epilog="Example:\n\n  mri serve files deployment")
def files(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write.")],
    work: WorkFolder = Path("work"),
    model: Annotated[str, typer.Option(help="Name of the model.")] = MODEL_NAME,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that have been edited.")
    ] = False,
) -> None:
    """Write the configuration of TensorFlow Serving, Docker Compose and Prometheus."""
    config = DeploymentConfig(name=model, models=work.absolute() / "serving" / model)
    console = PlainConsole()
    for path in write_files(config, out, force=force):
        console.print(str(path), markup=False, soft_wrap=True)
    compose = shlex.quote(str(out / "docker-compose.yaml"))
    said = f"SECRET_KEY=... docker compose --file {compose} up"
    console.print(said, style="dim", markup=False, soft_wrap=True)
