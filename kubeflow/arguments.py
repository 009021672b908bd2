"""What a run of a compiled pipeline is given, checked against what the file declares."""

import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType, PipelineSpec

from kubeflow.parameters import NEWEST
from pipeline.config import ConfigError

SPAN = "span"
"""The parameter that says which span is read."""


@dataclass(frozen=True)
class CompiledPipeline:
    """A compiled file, as far as a run of it needs to know.

    Attributes:
        path: The file.
        name: The pipeline's name.
        parameters: The parameters' types (ParameterType's names) by their names.
        required: Those without a default.
    """

    path: Path
    name: str
    parameters: dict[str, str]
    required: frozenset[str]

    def values(self, texts: Iterable[str]) -> dict[str, Any]:
        """Reads `NAME=VALUE` pairs.

        Args:
            texts: The pairs.

        Returns:
            The values by name, each of the type that the file declares.

        Raises:
            ConfigError: A name is not declared, a value is of another type, or one is missing.
        """
        values: dict[str, Any] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals or not name:
                raise ConfigError(f"--param {text!r} is not of the form NAME=VALUE.")
            if name not in self.parameters:
                raise ConfigError(
                    f"{self.path} has no parameter {name!r}{_nearest(name, self.parameters)}"
                )
            values[name] = _read(name, value, self.parameters[name])
        missing = sorted(self.required - values.keys())
        if missing:
            raise ConfigError(
                f"{self.path} wants a value for {', '.join(missing)}: give --param "
                f"{missing[0]}=VALUE."
            )
        return values


def read_compiled(path: Path) -> CompiledPipeline:
    """Reads a compiled pipeline.

    Args:
        path: The file that `mri kubeflow compile` wrote.

    Returns:
        What a run of it may be given.

    Raises:
        ConfigError: It cannot be read, or is no PipelineSpec.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{path} is no compiled pipeline: its name must end in .yaml.")
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): `mri kubeflow compile` writes it."
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    fields = documents[0] if documents else None
    if not isinstance(fields, dict) or "root" not in fields or "pipelineInfo" not in fields:
        raise ConfigError(
            f"{path} is no compiled pipeline (it has no pipelineInfo and root): "
            "`mri kubeflow compile` writes one."
        )
    try:
        spec = json_format.ParseDict(fields, PipelineSpec())
    except json_format.ParseError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is no PipelineSpec that is known here: {reason}.") from error
    declared = spec.root.input_definitions.parameters
    return CompiledPipeline(
        path=path,
        name=spec.pipeline_info.name,
        parameters={
            name: ParameterType.ParameterTypeEnum.Name(one.parameter_type)
            for name, one in declared.items()
        },
        required=frozenset(
            name
            for name, one in declared.items()
            if not one.is_optional and not one.HasField("default_value")
        ),
    )


def span_text(span: str) -> str:
    """The `NAME=VALUE` pair of a span.

    Args:
        span: `latest`, or a number.

    Returns:
        The pair.

    Raises:
        ConfigError: It is neither.
    """
    if span == "latest":
        return f"{SPAN}={NEWEST}"
    if not span.isdecimal():
        raise ConfigError(f"--span {span!r} is neither `latest` nor a number.")
    return f"{SPAN}={span}"


def _read(name: str, text: str, kind: str) -> Any:
    try:
        return _READERS[kind](text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"--param {name}={text!r} must be {_KINDS.get(kind, kind)}.") from error


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):  # JSON has no such numbers
        raise ValueError(text)
    return value


def _of(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = json.loads(text)
        if not isinstance(value, kind):
            raise ValueError(text)
        return value

    return read


_READERS: Mapping[str, Callable[[str], Any]] = {
    "STRING": str,
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": _number,
    "BOOLEAN": _boolean,
    "LIST": _of(list),
    "STRUCT": _of(dict),
}
_KINDS = {
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a JSON list",
    "STRUCT": "a JSON object",
}


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    matches = difflib.get_close_matches(name, names, n=1)
    if matches:
        return f"; did you mean {matches[0]!r}?"
    return f"; it has {', '.join(names)}." if names else "; it has none."
