"""JSON to tensors and tf.Examples: the bodies of `:predict`, `:classify` and `:regress`.

The rules and texts are those of `json_tensor.cc` in tensorflow/serving.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.json_document import Members, decoded_base64, format_error, is_base64, shown
from serving.server.tensors import Array, to_proto, type_name

ROW = "row"
COLUMNAR = "columnar"

_NUMBER = {int, float}
_TYPES: Mapping[int, tuple[set[type], Any]] = {
    types_pb2.DT_FLOAT: (_NUMBER, np.float64),
    types_pb2.DT_DOUBLE: (_NUMBER, np.float64),
    types_pb2.DT_INT8: ({int}, np.int32),
    types_pb2.DT_INT16: ({int}, np.int32),
    types_pb2.DT_INT32: ({int}, np.int32),
    types_pb2.DT_UINT8: ({int}, np.int32),
    types_pb2.DT_INT64: ({int}, np.int64),
    types_pb2.DT_UINT32: ({int}, np.uint32),
    types_pb2.DT_UINT64: ({int}, np.uint64),
    types_pb2.DT_BOOL: ({bool}, np.bool_),
    types_pb2.DT_STRING: ({str}, np.object_),
}
"""By TensorFlow's type: the types of the JSON values it takes, and what these must fit in."""
_AT_ONCE = 4096
"""Values that are read before another thread gets its turn."""
_MOST_DIMENSIONS = 64
"""NumPy has no more; TensorFlow has 254."""


def fill_predict_request(document: Members, inputs: Mapping[str, Any], request: Any) -> str:
    """Fills a PredictRequest's inputs from `instances` or `inputs`, and empties the document.

    `inputs` is the signature's TensorInfo by input. Says how to write the response: by `row` or
    `columnar`.
    """
    layouts = {"instances", "inputs"} & {key for key, _ in document}
    if len(layouts) == 2:
        raise format_error(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if "inputs" in layouts:
        tensors = _columns(document.first("inputs"), inputs)
    elif "instances" in layouts:
        instances = document.first("instances")
        if type(instances) is not list:
            raise format_error(document, "Expecting 'instances' to be an list/array")
        if not instances:
            raise format_error(document, "No values in 'instances' array")
        tensors = _rows(instances, inputs)
    else:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    for name, tensor in tensors.items():
        request.inputs[name].CopyFrom(to_proto(tensor))
    document.clear()  # in this thread: it takes a while to free millions of values
    return COLUMNAR if "inputs" in layouts else ROW


def _columns(value: Any, inputs: Mapping[str, Any]) -> dict[str, Array]:
    if not _is_object(value):
        if len(inputs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors"
                " required as per tensorinfo_map"
            )
        value = Members((name, value) for name in inputs)
    columns = dict(value[::-1])
    if missing := [name for name in inputs if name not in columns]:
        raise invalid_argument(f"Missing named input: {missing[0]} in 'inputs' object.")
    return {name: _Tensor(info.dtype, columns[name]).array() for name, info in inputs.items()}


def _rows(instances: list[Any], inputs: Mapping[str, Any]) -> dict[str, Array]:
    objects = _is_object(instances[0])
    only = next(iter(inputs))
    if not isinstance(instances[0], Members) and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors"
            " required as per tensorinfo_map"
        )
    if not objects:
        try:
            return {only: _Tensor(inputs[only].dtype, instances).array()}
        except StatusError:
            pass  # row by row, which tells the row
    tensors: dict[str, _Tensor] = {}
    for place, instance in enumerate(instances):
        if objects != _is_object(instance):
            expected, got = ("object", "list") if objects else ("value/list", "object")
            raise invalid_argument(
                f"Expecting {expected} but got {got} at item {place} of input list"
            )
        row = dict(instance[::-1]) if objects else {only: instance}
        where = f"Failed to process element: {place}"
        for name, value in row.items():
            try:
                if name not in inputs:
                    raise invalid_argument(f"JSON object: does not have named input: {name}")
                if name in tensors:
                    tensors[name].add(value)
                else:
                    tensors[name] = _Tensor(inputs[name].dtype, value)
            except StatusError as error:
                key = f" key: {name}" if objects else ""
                raise invalid_argument(
                    f"{where}{key} of 'instances' list. Error: {error.code.name}: {error.message}"
                ) from None
        if row.keys() != inputs.keys():
            raise invalid_argument(
                f"{where} of 'instances' list. JSON object: {shown(instance)} keys must be equal"
                f" to: {','.join(sorted(inputs))}"
            )
    return {name: tensor.array(len(instances)) for name, tensor in tensors.items()}


class _Tensor:
    """What one input is made of: values of one type, all in lists of lists of the same length."""

    def __init__(self, dtype: int, value: Any) -> None:
        """Begins with a JSON value, which says the shape."""
        self._dtype = dtype
        self._types, self._kind = _TYPES.get(dtype, (set(), None))
        self._limits = np.iinfo(self._kind) if self._types == {int} else None
        self._values: list[Any] = []
        self._shape = _shape(value)
        self._fill(value, 0, self._shape)
        self._size = len(self._values)

    def add(self, value: Any) -> None:
        """Adds a JSON value of the same shape."""
        before, shape = len(self._values), _shape(value)
        self._fill(value, 0, shape)
        size = len(self._values) - before
        if size != self._size:
            raise invalid_argument(f"Expecting tensor size: {self._size} but got: {size}")
        if shape != self._shape:
            said = [f"[{','.join(map(str, one))}]" for one in (self._shape, shape)]
            raise invalid_argument(f"Expecting shape {said[0]} but got: {said[1]}")

    def array(self, *rows: int) -> Array:
        """All values; `rows`: how many JSON values there were."""
        array = np.empty(len(self._values), self._kind)
        for start in range(0, len(array), _AT_ONCE):
            array[start : start + _AT_ONCE] = self._values[start : start + _AT_ONCE]
        kind = tf.as_dtype(self._dtype).as_numpy_dtype
        with np.errstate(over="ignore"):
            return array.reshape([*rows, *self._shape]).astype(kind, copy=False)

    def _fill(self, value: Any, level: int, shape: list[int]) -> None:
        if type(value) is not list:
            if level != len(shape):
                raise format_error(
                    value,
                    f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level:"
                    f" {len(shape)}",
                )
            self._values.append(self._checked(value))
            return
        if level >= len(shape):
            raise invalid_argument(
                f"Encountered list at unexpected level: {level} expected < {len(shape)}"
            )
        if len(value) != shape[level]:
            raise invalid_argument(
                f"Encountered list at unexpected size: {len(value)} at level: {level} expected"
                f" size: {shape[level]}"
            )
        for start in range(0, len(value), _AT_ONCE):
            part = value[start : start + _AT_ONCE]
            if level + 1 == len(shape) and self._fit(part):
                self._values += part
            else:
                for item in part:
                    self._fill(item, level + 1, shape)

    def _fit(self, values: list[Any]) -> bool:
        """Whether values are as they should be, and need no conversion."""
        if not set(map(type, values)) <= self._types or str in self._types:
            return False
        limits = self._limits
        return limits is None or limits.min <= min(values) <= max(values) <= limits.max

    def _checked(self, value: Any) -> Any:
        if str in self._types and isinstance(value, str | Members):
            return value.encode() if isinstance(value, str) else decoded_base64(value)
        if not self._types and not isinstance(value, Members):
            raise StatusError(
                Code.UNIMPLEMENTED,
                f"Conversion of JSON Value: {shown(value)} to type: {type_name(self._dtype)}",
            )
        if not self._fit([value]):
            raise format_error(
                value,
                f"Type: {_json_type(value)} is not of expected type: {type_name(self._dtype)}",
            )
        return value


def _shape(value: Any) -> list[int]:
    """The shape that the first elements say."""
    shape = []
    while type(value) is list:
        shape.append(len(value))
        value = value[0] if value else None
    if len(shape) > _MOST_DIMENSIONS:
        raise invalid_argument(f"Cannot make a tensor of {len(shape)} dimensions")
    return shape


def _is_object(value: Any) -> bool:
    return isinstance(value, Members) and not is_base64(value)


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
        raise invalid_argument(f"Example must be JSON object but got JSON {_json_type(value)}")
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
    if isinstance(value, int):
        if value >= 2**63:
            raise invalid_argument(
                f"Feature: {name} has uint64_t element. Only int64_t is supported."
            )
        return "int64_list", int(value)
    if isinstance(value, float):
        return "float_list", value
    if is_base64(value):
        return "bytes_list", decoded_base64(value)
    raise invalid_argument(
        f"Feature: {name} has element with unexpected JSON type: {_json_type(value)}"
    )


def _json_type(value: object) -> str:
    """RapidJSON's name of a value's type."""
    if isinstance(value, bool):
        return str(value)
    names = {type(None): "Null", Members: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")
