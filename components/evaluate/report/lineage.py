"""Where a model comes from: code, data, parameters, environment."""

import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from components.servable import EXTRAS, METADATA_FILE
from components.source_digest import source_digest
from components.strict_config import StrictConfig

_PACKAGES = ("tensorflow", "keras", "tfx", "tensorflow-model-analysis", "numpy", "scikit-learn")
_CODE = (
    "components.ingest.executor",
    "components.trainer.run",
    "components.evaluate.report.executor",
)
_DISTRIBUTION = "brain-mri-pipeline"
UNKNOWN = "unknown"


class ModelLineage(StrictConfig):
    """What made a model.

    Attributes:
        run: The pipeline run that evaluated it.
        model_id: The model, in ML Metadata.
        trained: When it was made, UTC.
        code_version: This package's version.
        code_digest: Of the code that reads images, trains and evaluates.
        data: Name of the data folder.
        data_note: What the folder says of itself: what it holds, and its licence.
        data_fingerprint: Digest of its listing.
        policy: How its images were split.
        parameters: Settings by their path, as the model was trained.
        tuned: Those of them that a search chose.
        environment: Versions by name.
    """

    run: str
    model_id: int
    trained: str
    code_version: str
    code_digest: str
    data: str
    data_fingerprint: str
    data_note: str = ""
    policy: str
    parameters: dict[str, str]
    tuned: tuple[str, ...] = ()
    environment: dict[str, str]


class TrainedSettings(NamedTuple):
    """What a model was trained with.

    Attributes:
        parameters: Settings by their path.
        tuned: Paths of those that a search chose.
    """

    parameters: dict[str, str]
    tuned: tuple[str, ...]


def code_version() -> str:
    """This package's version, where it is installed."""
    return _version(_DISTRIBUTION)


def code_digest() -> str:
    """Digest of the code that reads images, trains and evaluates."""
    return source_digest(*_CODE)


def environment() -> dict[str, str]:
    """Versions of what computes."""
    return {
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{name: _version(name) for name in _PACKAGES},
    }


def trained_settings(saved_model: Path, configured: Mapping[str, Any]) -> TrainedSettings:
    """Asks the model itself: a search, or an earlier run, may have had other settings than this.

    Args:
        saved_model: The SavedModel's folder.
        configured: Sections of the configuration, for what the model does not say.

    Returns:
        The settings.
    """
    file = saved_model / EXTRAS / METADATA_FILE
    said = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    recipe = said.get("recipe", {})
    sections = {name: recipe[name] for name in ("model", "train") if name in recipe}
    if "preprocessing" in said:
        sections["transform"] = said["preprocessing"]
    return TrainedSettings(
        flatten({**configured, **sections}), tuple(sorted(recipe.get("tuned", {})))
    )


def flatten(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Settings by their path, as `--set` takes them; of files only the names.

    Args:
        parameters: Sections of the configuration.

    Returns:
        Values as text.
    """
    return dict(_leaves(parameters, ""))


def _leaves(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}{name}.")
        else:
            words = str(value)
            whole = PurePath(words)
            yield f"{path}{name}", whole.name if whole.is_absolute() else words


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN
