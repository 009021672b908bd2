"""The files that production needs, made from one configuration."""

from pathlib import Path

from components.errors import path_error
from components.pages.templates import text_environment
from components.whole_file import whole_file
from serving.tf_serving.config import BatchingConfig, DeploymentConfig

_TEMPLATES = text_environment(Path(__file__).parent / "templates")


def deployment_file(name: str, config: DeploymentConfig) -> str:
    """One of the files.

    Args:
        name: `models.config`, TensorFlow Serving's `--model_config_file`; `batching.config`, its
            `--batching_parameters_file`; `monitoring.config`, its `--monitoring_config_file`;
            `prometheus.yml`; or `docker-compose.yaml`.
        config: The deployment.

    Returns:
        Its text.
    """
    if name == "batching.config":
        return batching_config(config.batching)
    return _TEMPLATES.get_template(f"{name}.jinja").render(dict(config))


def batching_config(config: BatchingConfig) -> str:
    """TensorFlow Serving's `--batching_parameters_file`: BatchingParameters in text format."""
    numbers = config.model_dump(exclude={"allowed_batch_sizes"})
    lines = [f"{name} {{ value: {value} }}" for name, value in numbers.items()]
    lines += [f"allowed_batch_sizes: {size}" for size in config.allowed_batch_sizes]
    return "\n".join(lines) + "\n"


def write_files(config: DeploymentConfig, out: Path) -> list[Path]:
    """Writes all files into a folder.

    Args:
        config: The deployment.
        out: The folder; made where it is not there. Files of these names are replaced.

    Returns:
        The files.

    Raises:
        PipelineError: They cannot be written.
    """
    paths = [
        *(out / "config" / f"{name}.config" for name in ("models", "batching", "monitoring")),
        *(out / name for name in ("prometheus.yml", "docker-compose.yaml")),
    ]
    try:
        (out / "config").mkdir(parents=True, exist_ok=True)
        for path in paths:
            with whole_file(path) as file:
                file.write_text(deployment_file(path.name, config), encoding="utf-8")
    except OSError as error:
        raise path_error(error)(
            f"{out} cannot be written ({error.strerror}): name another folder."
        ) from error
    return paths
