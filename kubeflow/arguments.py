"""What a run of a compiled pipeline is given, checked against what the file declares."""

from collections.abc import Iterable
from typing import Annotated, Any

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType
from pydantic import BeforeValidator, FiniteFloat, Json, StrictBool, TypeAdapter, ValidationError

from components.validation import nearest_name
from kubeflow.compiled import CompiledPipeline
from kubeflow.parameters import NEWEST
from pipeline.config import ConfigError

SPAN = "span"
"""The parameter that says which span is read."""

_READERS: dict[int, tuple[TypeAdapter[Any], str]] = {
    ParameterType.STRING: (TypeAdapter(str), "text"),
    ParameterType.NUMBER_INTEGER: (
        TypeAdapter(Annotated[int, BeforeValidator(int)]),
        "a whole number",
    ),
    ParameterType.NUMBER_DOUBLE: (TypeAdapter(FiniteFloat), "a number"),
    ParameterType.BOOLEAN: (
        TypeAdapter(Annotated[Json[StrictBool], BeforeValidator(str.lower)]),
        "true or false",
    ),
    ParameterType.LIST: (TypeAdapter(Json[list[Any]]), "a JSON list"),
    ParameterType.STRUCT: (TypeAdapter(Json[dict[str, Any]]), "a JSON object"),
}
"""What reads a parameter's value from text, and what it expects."""


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
        reader, expected = _READERS[pipeline.parameters[name].parameter_type]
        try:
            values[name] = reader.validate_python(value)
        except ValidationError as error:
            raise ConfigError(f"--param {name}={value!r} must be {expected}.") from error
    missing = sorted(
        name
        for name, one in pipeline.parameters.items()
        if name not in values and not one.is_optional and not one.HasField("default_value")
    )
    if missing:
        raise ConfigError(
            f"{pipeline.path} needs a value for {', '.join(missing)}: give --param "
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
