"""What a run of a compiled pipeline is given, checked against what the file declares."""

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

from components.validation import nearest_name
from kubeflow.compiled import CompiledPipeline
from kubeflow.parameters import NEWEST
from pipeline.config import ConfigError

SPAN = "span"
"""The parameter that says which span is read."""


def given_values(pipeline: CompiledPipeline, texts: Iterable[str]) -> dict[str, Any]:
    """Reads `NAME=VALUE` pairs.

    Args:
        pipeline: The compiled pipeline.
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
        if name not in pipeline.parameters:
            raise ConfigError(
                f"{pipeline.path} has no parameter {name!r}"
                f"{nearest_name(name, pipeline.parameters)}"
            )
        values[name] = _read(name, value, pipeline.parameters[name].parameter_type)
    missing = sorted(
        name
        for name, one in pipeline.parameters.items()
        if name not in values and not one.is_optional and not one.HasField("default_value")
    )
    if missing:
        raise ConfigError(
            f"{pipeline.path} wants a value for {', '.join(missing)}: give --param "
            f"{missing[0]}=VALUE."
        )
    return values


def all_values(pipeline: CompiledPipeline, texts: Iterable[str]) -> dict[str, Any]:
    """Reads `NAME=VALUE` pairs, and fills in the defaults as a server does.

    Args:
        pipeline: The compiled pipeline.
        texts: The pairs.

    Returns:
        A value for each parameter that has one.

    Raises:
        ConfigError: As for `given_values`.
    """
    values = given_values(pipeline, texts)
    for name, definition in pipeline.parameters.items():
        if name not in values and definition.HasField("default_value"):
            default = json_format.MessageToDict(definition.default_value)
            whole = definition.parameter_type == ParameterType.NUMBER_INTEGER
            values[name] = int(default) if whole else default
    return values


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


def _read(name: str, text: str, kind: int) -> Any:
    reader, expected = _READERS[kind]
    try:
        return reader(text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"--param {name}={text!r} must be {expected}.") from error


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


_READERS: dict[int, tuple[Callable[[str], Any], str]] = {
    ParameterType.STRING: (str, "text"),
    ParameterType.NUMBER_INTEGER: (int, "a whole number"),
    ParameterType.NUMBER_DOUBLE: (_number, "a number"),
    ParameterType.BOOLEAN: (_boolean, "true or false"),
    ParameterType.LIST: (_of(list), "a JSON list"),
    ParameterType.STRUCT: (_of(dict), "a JSON object"),
}
