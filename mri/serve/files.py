"""`mri serve files`: the configuration of TensorFlow Serving, Compose and Prometheus."""

import shlex
from pathlib import Path

from rich.console import Console

from serving.tf_serving.config import DeploymentConfig
from serving.tf_serving.files import write_files


def write_deployment(out: Path, work: Path, name: str) -> None:
    """Writes what production needs for a model that runs push.

    Args:
        out: The folder.
        work: The work folder.
        name: The model's name.

    Raises:
        PipelineError: The files cannot be written.
    """
    config = DeploymentConfig(name=name, models=work.absolute() / "serving" / name)
    console = Console(highlight=False, emoji=False)
    for path in write_files(config, out):
        console.print(str(path), markup=False, soft_wrap=True)
    compose = shlex.quote(str(out / "docker-compose.yaml"))
    said = f"SECRET_KEY=... docker compose --file {compose} up"
    console.print(said, style="dim", markup=False, soft_wrap=True)
