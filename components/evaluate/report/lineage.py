"""Where a model comes from: code, data, parameters, environment."""

import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from components.code_version import code_version
from components.ingest.report import IngestReport
from components.servable import EXTRAS, METADATA_FILE
from components.source_digest import source_digest
from components.strict_config import StrictConfig

UNKNOWN = "unknown"
_PACKAGES = ("tensorflow", "keras", "tfx", "tensorflow-model-analysis", "numpy", "scikit-learn")
_CODE = (
    "components.ingest.executor",
    "components.trainer.run",
    "components.evaluate.report.executor",
)


class ModelLineage(StrictConfig):
    """What made a model.

    Attributes:
        run: The pipeline run that evaluated it.
        model_id: The model, in ML Metadata.
        trained: When it was made, UTC.
        code_version: This package's version, with the commit.
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


def trace(
    saved_model: Path, configured: Mapping[str, Any], data: IngestReport, **known: Any
) -> ModelLineage:
    """Says what made a model.

    The model itself says what it was trained with, as far as it does: a search, or an earlier run,
    may have had other settings than this one.

    Args:
        saved_model: The SavedModel's folder.
        configured: Sections of the configuration.
        data: What ingest counted.
        **known: `run`, `model_id`, `trained` and `data_note`.

    Returns:
        The lineage. Settings are given as `--set` takes them; of files only the names.
    """
    file = saved_model / EXTRAS / METADATA_FILE
    said = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    recipe = said.get("recipe", {})
    sections = {name: recipe[name] for name in ("model", "train") if name in recipe}
    if "preprocessing" in said:
        sections["transform"] = said["preprocessing"]
    return ModelLineage(
        **known,
        code_version=code_version(),
        code_digest=source_digest(*_CODE),
        data=data.source,
        data_fingerprint=data.fingerprint,
        policy=data.policy,
        parameters=dict(_leaves({**configured, **sections}, "")),
        tuned=tuple(sorted(recipe.get("tuned", {}))),
        environment={
            "Python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            **{name: _version(name) for name in _PACKAGES},
        },
    )


def _leaves(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}{name}.")
        else:
            # As --set takes it: null, true and false, not None, True and False.
            words = value if isinstance(value, str) else json.dumps(value)
            whole = PurePath(words)
            yield f"{path}{name}", whole.name if whole.is_absolute() else words


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN
