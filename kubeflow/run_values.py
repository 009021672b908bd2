"""Values of a run's parameters: from text to what the compiled file asks for."""

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from kubeflow.compiled import CompiledPipeline
from pipeline.config import ConfigError

_Type = pipeline_spec_pb2.ParameterType


def run_values(pipeline: CompiledPipeline, given: Mapping[str, str]) -> dict[str, Any]:
    """Completes and checks the parameters of a run.

    Args:
        pipeline: The compiled pipeline.
        given: What a person chose, as text.

    Returns:
        A value for each parameter that has one.

    Raises:
        ConfigError: A parameter does not exist, is missing, or its value has another type.
    """
    for name in given:
        if name not in pipeline.parameters:
            nearest = difflib.get_close_matches(name, pipeline.parameters, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else ""
            raise ConfigError(
                f"The compiled pipeline has no parameter {name!r}; {hint or 'it has'} "
                f"{'' if hint else ', '.join(sorted(pipeline.parameters)) + '.'}".rstrip()
            )
    values: dict[str, Any] = {}
    for name, definition in pipeline.parameters.items():
        if name in given:
            values[name] = _read(name, given[name], definition.parameter_type)
        elif definition.HasField("default_value"):
            default = json_format.MessageToDict(definition.default_value)
            whole = definition.parameter_type == _Type.NUMBER_INTEGER
            values[name] = int(default) if whole else default
        elif not definition.is_optional:
            raise ConfigError(f"The parameter {name} has no default: give --param {name}=VALUE.")
    return values


def _read(name: str, text: str, kind: int) -> Any:
    reader, expected = _READERS[kind]
    try:
        return reader(text)
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"The parameter {name}={text!r} is refused: it takes {expected}."
        ) from error


def _of_json(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = json.loads(text)
        if not isinstance(value, kind):
            raise ValueError(text)
        return value

    return read


_READERS: dict[int, tuple[Callable[[str], Any], str]] = {
    _Type.STRING: (str, "text"),
    _Type.NUMBER_INTEGER: (int, "a whole number"),
    _Type.NUMBER_DOUBLE: (float, "a number"),
    _Type.BOOLEAN: ({"true": True, "false": False}.__getitem__, "true or false"),
    _Type.LIST: (_of_json(list), "a JSON list"),
    _Type.STRUCT: (_of_json(dict), "a JSON object"),
}
