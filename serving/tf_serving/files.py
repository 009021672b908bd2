"""The files that production needs, made from one configuration."""

import hashlib
from pathlib import Path

from components.errors import UsageError, path_error
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


def write_files(config: DeploymentConfig, out: Path, *, force: bool = False) -> list[Path]:
    """Writes all files into a folder.

    Their first line has a digest of the rest, by which a file that was edited is told.

    Args:
        config: The deployment.
        out: The folder; made where it is not there.
        force: Whether files of these names are replaced even if they were edited, or came from
            elsewhere.

    Returns:
        The files.

    Raises:
        UsageError: Files there were edited, and nothing was written; or `out` cannot be used.
        PipelineError: They cannot be written.
    """
    paths = [
        *(out / "config" / f"{name}.config" for name in ("models", "batching", "monitoring")),
        *(out / name for name in ("prometheus.yml", "docker-compose.yaml")),
    ]
    try:
        if not force and (edited := [str(path) for path in paths if _is_edited(path)]):
            raise UsageError(
                f"{' and '.join(edited)} would be replaced, and what is there was edited or was "
                "not written by this command: name another folder, or give --force. Nothing was "
                "written."
            )
        (out / "config").mkdir(parents=True, exist_ok=True)
        for path in paths:
            text = deployment_file(path.name, config)
            with whole_file(path) as file:
                file.write_text(f"{_first_line(text)}\n{text}", encoding="utf-8")
    except OSError as error:
        raise path_error(error)(
            f"{out} cannot be written ({error.strerror}): name another folder."
        ) from error
    return paths


def _first_line(text: str) -> str:
    return f"# mri serve files {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _is_edited(path: Path) -> bool:
    """Whether a file holds anything but what this command once wrote there."""
    try:
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return False
    except UnicodeDecodeError:
        return True
    return first != _first_line(rest)
