"""What a run of a compiled pipeline is given, checked against what the file declares."""

from collections.abc import Iterable
from typing import Annotated, Any

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType
from pydantic import BeforeValidator, FiniteFloat, Json, StrictBool, TypeAdapter, ValidationError

from components.errors import UsageError
from components.validation import nearest_name
from kubeflow.compiled import CompiledPipeline

_KINDS: dict[int, tuple[Any, str]] = {
    ParameterType.STRING: (str, "text"),
    ParameterType.NUMBER_INTEGER: (Annotated[int, BeforeValidator(int)], "a whole number"),
    ParameterType.NUMBER_DOUBLE: (FiniteFloat, "a number"),
    ParameterType.BOOLEAN: (
        Annotated[Json[StrictBool], BeforeValidator(str.lower)],
        "true or false",
    ),
    ParameterType.LIST: (Json[list[Any]], "a JSON list"),
    ParameterType.STRUCT: (Json[dict[str, Any]], "a JSON object"),
}
"""What a parameter's value is read as from text, and what that is called."""


def read_values(pipeline: CompiledPipeline, texts: Iterable[str]) -> dict[str, Any]:
    """Reads `NAME=VALUE` pairs, and fills in the file's defaults as a server does.

    Raises:
        UsageError: A name is not declared, a value is of another type, or one is missing.
    """
    values: dict[str, Any] = {}
    for name, one in pipeline.parameters.items():
        if one.HasField("default_value"):
            default = json_format.MessageToDict(one.default_value)
            whole = one.parameter_type == ParameterType.NUMBER_INTEGER  # JSON knows none
            values[name] = int(default) if whole else default
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--param {text!r} is not of the form NAME=VALUE.")
        if name not in pipeline.parameters:
            near = nearest_name(name, pipeline.parameters)
            raise UsageError(f"{pipeline.path} has no parameter {name!r}{near}")
        kind, expected = _KINDS[pipeline.parameters[name].parameter_type]
        try:
            values[name] = TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            raise UsageError(f"--param {name}={value!r} must be {expected}.") from error
    for name, one in pipeline.parameters.items():
        if name not in values and not one.is_optional:
            raise UsageError(
                f"{pipeline.path} needs a value for {name}: give --param {name}=VALUE."
            )
    return values
