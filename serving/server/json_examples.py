"""JSON to tf.Examples: the bodies of `:classify` and `:regress`.

The rules and texts are those of `json_tensor.cc` in tensorflow/serving.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.server.errors import invalid_argument
from serving.server.json_base64 import decoded_base64
from serving.server.json_document import json_type, shown

_LISTS = {"bytes": "bytes_list", "float": "float_list", "int64": "int64_list"}
_INT64 = 2**63


def fill_example_request(document: Mapping[str, Any], request: Any) -> None:
    """Fills the Input of a classification or regression request.

    Args:
        document: The request's JSON object.
        request: The message to fill.

    Raises:
        StatusError: The examples cannot be read.
    """
    target = request.input.example_list
    if "context" in document:
        target = request.input.example_list_with_context
        _fill_example(document["context"], target.context)
    if "examples" not in document:
        raise invalid_argument(
            f"JSON Value: {shown(document)} When method is classify, key 'examples' is expected"
            " and was not found"
        )
    examples = document["examples"]
    if not isinstance(examples, list):
        raise invalid_argument(
            f"JSON Value: {shown(document)} Expecting 'examples' value to be an list/array"
        )
    if not examples:
        raise invalid_argument(f"JSON Value: {shown(document)} 'examples' value is an empty array")
    for example in examples:
        _fill_example(example, target.examples.add())


def _fill_example(value: Any, example: Any) -> None:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {json_type(value)}")
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if isinstance(content, list) else [content]:
            _add_value(item, name, feature)


def _add_value(value: Any, name: str, feature: Any) -> None:
    kind, converted = _feature_value(value, name)
    present = feature.WhichOneof("kind")
    if present not in (None, _LISTS[kind]):
        expected = next(kind for kind, field in _LISTS.items() if field == present)
        raise invalid_argument(
            f"Unexpected element type in feature: {name} expecting type: {expected}"
        )
    getattr(feature, _LISTS[kind]).value.append(converted)


def _feature_value(value: Any, name: str) -> tuple[str, Any]:
    if isinstance(value, str):
        return "bytes", value.encode()
    if isinstance(value, bool):
        return "int64", int(value)
    if isinstance(value, int):
        if -_INT64 <= value < _INT64:
            return "int64", value
        if value < 2 * _INT64 and value > 0:
            raise invalid_argument(f"Feature: {name} has uint64 element. Only int64 is supported.")
        try:
            value = float(value)
        except OverflowError:
            raise invalid_argument("Number too big to be stored in double.") from None
    if isinstance(value, float):
        if np.isfinite(value) and abs(value) > float(np.finfo(np.float32).max):
            raise invalid_argument(
                f"Cannot convert JSON value: {shown(value)} to float without loss of precision."
            )
        return "float", value
    if isinstance(value, dict) and "b64" in value:
        return "bytes", decoded_base64(value)
    raise invalid_argument(
        f"Feature: {name} has element with unexpected JSON type: {json_type(value)}"
    )
