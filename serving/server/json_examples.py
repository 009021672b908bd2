"""JSON to tf.Examples: the bodies of `:classify` and `:regress`.

The rules and texts are those of `json_tensor.cc` in tensorflow/serving.
"""

from typing import Any

from serving.server.errors import invalid_argument
from serving.server.json_document import Members, decoded_base64, format_error, is_base64, json_type

_INT64 = 2**63


def fill_example_request(document: Members, request: Any) -> None:
    """Fills the Input of a classification or regression request."""
    keys = {key for key, _ in document}
    target = request.input.example_list
    if "context" in keys:
        target = request.input.example_list_with_context
        _fill_example(document.first("context"), target.context)
    if "examples" not in keys:
        raise format_error(
            document, "When method is classify, key 'examples' is expected and was not found"
        )
    examples = document.first("examples")
    if type(examples) is not list:
        raise format_error(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise format_error(document, "'examples' value is an empty array")
    for example in examples:
        _fill_example(example, target.examples.add())


def _fill_example(value: Any, example: Any) -> None:
    if not isinstance(value, Members):
        raise invalid_argument(f"Example must be JSON object but got JSON {json_type(value)}")
    for name, content in dict(value).items():
        feature = example.features.feature[name]
        for item in content if type(content) is list else [content]:
            kind, converted = _feature_value(item, name)
            present = feature.WhichOneof("kind") or kind
            if present != kind:
                expected = present.removesuffix("_list")
                raise invalid_argument(
                    f"Unexpected element type in feature: {name} expecting type: {expected}"
                )
            getattr(feature, kind).value.append(converted)


def _feature_value(value: Any, name: str) -> tuple[str, Any]:
    if isinstance(value, str):
        return "bytes_list", value.encode()
    if isinstance(value, bool):
        return "int64_list", int(value)
    if isinstance(value, int):
        if value >= _INT64:
            raise invalid_argument(
                f"Feature: {name} has uint64_t element. Only int64_t is supported."
            )
        return "int64_list", value
    if isinstance(value, float):
        return "float_list", value
    if is_base64(value):
        return "bytes_list", decoded_base64(value)
    raise invalid_argument(
        f"Feature: {name} has element with unexpected JSON type: {json_type(value)}"
    )
