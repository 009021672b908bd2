"""The files that production needs, made from one configuration."""

import hashlib
from pathlib import Path

from components.errors import UsageError, path_error
from components.pages.templates import text_environment
from components.whole_file import whole_file
from serving.tf_serving.config import BatchingConfig, DeploymentConfig

_TEMPLATES = text_environment(Path(__file__).parent / "templates")
_PACS = ("orthanc.json", "pacs.yaml", "ohif.js", "ohif.conf")
_COMMENT = {".json": "//", ".js": "//"}  # Orthanc takes comments in JSON


def deployment_file(name: str, config: DeploymentConfig) -> str:
    """One of the files.

    Args:
        name: `models.config`, TensorFlow Serving's `--model_config_file`; `batching.config`, its
            `--batching_parameters_file`; `monitoring.config`, its `--monitoring_config_file`;
            `prometheus.yml`; `docker-compose.yaml`; or, for an archive, a viewer and a DICOM node
            beside them, `docker-compose.pacs.yaml`, `orthanc.json`, `pacs.yaml`, `ohif.js`, OHIF's
            configuration, and `ohif.conf`, that of the nginx which serves it.
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


def write_files(
    config: DeploymentConfig, out: Path, *, force: bool = False, pacs: bool = False
) -> list[Path]:
    """Writes all files into a folder.

    Their first line has a digest of the rest, by which a file that was edited is told.

    Args:
        config: The deployment.
        out: The folder; made where it is not there.
        force: Whether files of these names are replaced even if they were edited, or came from
            elsewhere.
        pacs: Whether those of an archive, a viewer and a DICOM node are written, too.

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
    if pacs:
        paths += [out / "docker-compose.pacs.yaml", *(out / "pacs" / name for name in _PACS)]
    try:
        if not force and (edited := [str(path) for path in paths if _is_edited(path)]):
            raise UsageError(
                f"{' and '.join(edited)} would be replaced, and what is there was edited or was "
                "not written by this command: name another folder, or give --force. Nothing was "
                "written."
            )
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = deployment_file(path.name, config)
            with whole_file(path) as file:
                file.write_text(f"{_first_line(path, text)}\n{text}", encoding="utf-8")
    except OSError as error:
        raise path_error(error)(
            f"{out} cannot be written ({error.strerror}): name another folder."
        ) from error
    return paths


def _first_line(path: Path, text: str) -> str:
    mark = _COMMENT.get(path.suffix, "#")
    return f"{mark} mri serve files {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _is_edited(path: Path) -> bool:
    """Whether a file holds anything but what this command once wrote there."""
    try:
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return False
    except UnicodeDecodeError:
        return True
    return first != _first_line(path, rest)
