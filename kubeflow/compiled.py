"""The file that `mri kubeflow compile` writes, as those read it that send or rehearse it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format

from components.errors import UsageError

_SCHEMA = "2.1.0"


@dataclass(frozen=True)
class CompiledPipeline:
    """A compiled pipeline.

    Attributes:
        path: The file.
        spec: Its PipelineSpec.
        platform: Its PlatformSpec, which says what Kubernetes is asked for.
        documents: Both as the API takes them.
    """

    path: Path
    spec: Any
    platform: Any
    documents: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.spec.pipeline_info.name)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Definitions of the run's parameters."""
        return dict(self.spec.root.input_definitions.parameters)


def read_compiled(path: Path) -> CompiledPipeline:
    """Reads a compiled pipeline.

    Args:
        path: The YAML file.

    Returns:
        The pipeline.

    Raises:
        UsageError: It cannot be read, or is not a compiled pipeline.
    """
    check_name(path)
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}): `mri kubeflow compile` writes it."
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise not_compiled(path) from error
    fields, platform = (*documents, None, None)[:2]
    if not isinstance(fields, dict) or "root" not in fields or "pipelineInfo" not in fields:
        raise not_compiled(path)
    from kfp.pipeline_spec import pipeline_spec_pb2

    try:
        spec = json_format.ParseDict(fields, pipeline_spec_pb2.PipelineSpec())
        asked = json_format.ParseDict(platform or {}, pipeline_spec_pb2.PlatformSpec())
    except (json_format.ParseError, AttributeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path} is not a PipelineSpec of a known version: {reason}.") from error
    if spec.schema_version != _SCHEMA or not spec.root.dag.tasks:
        raise not_compiled(path)
    both = {"pipeline_spec": fields, "platform_spec": platform}
    return CompiledPipeline(path, spec, asked, both if platform else fields)


def check_name(path: Path) -> None:
    """Refuses a name that Kubeflow's client would not take.

    Raises:
        UsageError: It does not end as a YAML file's does.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{path} is refused: Kubeflow takes a compiled pipeline as a .yaml file.")


def not_compiled(path: Path) -> UsageError:
    """The error for a file that is something else, or only a part."""
    return UsageError(
        f"{path} is not a complete pipeline for Kubeflow Pipelines v2: make it with "
        "`mri kubeflow compile`. If it was made so, it was cut off when it was copied."
    )
