"""JSON to tensors: the bodies of REST requests.

The rules and texts are those of `json_tensor.cc` in tensorflow/serving.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.json_base64 import decoded_base64, is_base64
from serving.server.json_document import json_type, shown
from serving.server.tensors import Array, to_proto, type_name

_FLOATS = (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE)
_INTEGERS = (
    *(types_pb2.DT_INT8, types_pb2.DT_INT16, types_pb2.DT_INT32, types_pb2.DT_INT64),
    *(types_pb2.DT_UINT8, types_pb2.DT_UINT32, types_pb2.DT_UINT64),
)
_FITTING: dict[int, set[type]] = {
    **{dtype: {int, float} for dtype in _FLOATS},
    **{dtype: {int} for dtype in _INTEGERS},
    types_pb2.DT_BOOL: {bool},
}
"""Types of the JSON values that may stand for a type of TensorFlow's."""

ROW = "row"
COLUMNAR = "columnar"


def fill_predict_request(
    document: Mapping[str, Any], inputs: Mapping[str, Any], request: Any
) -> str:
    """Fills a PredictRequest's inputs from `instances` or `inputs`.

    Args:
        document: The request's JSON object.
        inputs: The signature's TensorInfo by input.
        request: The message to fill.

    Returns:
        `row` or `columnar`: how the response is to be written.

    Raises:
        StatusError: The values do not fit the signature.
    """
    if "instances" in document and "inputs" in document:
        raise invalid_argument(
            f"JSON Value: {shown(document)} Not formatted correctly expecting only one of"
            " 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise invalid_argument(
                f"JSON Value: {shown(document)} Excepting 'instances' to be an list/array"
            )
        if not instances:
            raise invalid_argument(f"JSON Value: {shown(document)} No values in 'instances' array")
        _fill_rows(instances, inputs, request)
        return ROW
    if "inputs" in document:
        _fill_columns(document["inputs"], inputs, request)
        return COLUMNAR
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _fill_columns(value: Any, inputs: Mapping[str, Any], request: Any) -> None:
    if not isinstance(value, dict) or is_base64(value):
        if len(inputs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors"
                " required as per tensorinfo_map"
            )
        ((name, info),) = inputs.items()
        request.inputs[name].CopyFrom(to_proto(_tensor(value, info.dtype)))
        return
    for name, info in inputs.items():
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        request.inputs[name].CopyFrom(to_proto(_tensor(value[name], info.dtype)))


def _fill_rows(instances: Sequence[Any], inputs: Mapping[str, Any], request: Any) -> None:
    objects = _is_object(instances[0])
    if not isinstance(instances[0], dict) and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors"
            " required as per tensorinfo_map"
        )
    for place, instance in enumerate(instances):
        if objects != _is_object(instance):
            expected, got = ("object", "list") if objects else ("value/list", "object")
            raise invalid_argument(
                f"Expecting {expected} but got {got} at item {place} of input list"
            )
        if objects:
            _check_keys(place, instance, inputs)
    if objects:
        columns = {name: [instance[name] for instance in instances] for name in inputs}
    else:
        columns = {next(iter(inputs)): list(instances)}
    for name, column in columns.items():
        key = f" key: {name}" if objects else ""
        request.inputs[name].CopyFrom(to_proto(_rows_tensor(column, inputs[name].dtype, key)))


def _check_keys(place: int, instance: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    for name in instance:
        if name not in inputs:
            raise invalid_argument(
                f"Failed to process element: {place} key: {name} of 'instances' list. Error:"
                f" INVALID_ARGUMENT: JSON object: does not have named input: {name}"
            )
    if set(instance) != set(inputs):
        raise invalid_argument(
            f"Failed to process element: {place} of 'instances' list. JSON object:"
            f" {shown(instance)} keys must be equal to: {','.join(sorted(inputs))}"
        )


def _rows_tensor(column: list[Any], dtype: int, key: str) -> Array:
    try:
        return _tensor(column, dtype)
    except StatusError:
        _find_bad_row(column, dtype, key)
        raise


def _find_bad_row(column: list[Any], dtype: int, key: str) -> None:
    """Names the row at fault; rows are judged one by one, against the first."""
    first: Array | None = None
    for place, value in enumerate(column):
        try:
            tensor = _tensor(value, dtype)
            first = tensor if first is None else first
            _check_same_shape(first, tensor)
        except StatusError as error:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Failed to process element: {place}{key} of 'instances' list. Error:"
                f" {error.code.name}: {error.message}",
            ) from None


def _check_same_shape(first: Array, other: Array) -> None:
    if first.size != other.size:
        raise invalid_argument(f"Expecting tensor size: {first.size} but got: {other.size}")
    if first.shape != other.shape:
        shapes = [f"[{','.join(map(str, array.shape))}]" for array in (first, other)]
        raise invalid_argument(f"Expecting shape {shapes[0]} but got: {shapes[1]}")


def _tensor(value: Any, dtype: int) -> Array:
    """A JSON value: a scalar, or lists of lists of the same length."""
    shape, leaves = _dense(value)
    try:
        return _array(leaves, dtype).reshape(shape)
    except ValueError as error:  # more dimensions than NumPy has
        raise invalid_argument(f"Cannot make a tensor of {len(shape)} dimensions") from error


def _dense(value: Any) -> tuple[list[int], list[Any]]:
    """The shape that the first elements say, and all values, if all others agree."""
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    values = [value]
    for level, size in enumerate(shape):
        for item in values:
            if not isinstance(item, list):
                raise invalid_argument(
                    f"JSON Value: {shown(item)} found at incorrect level: {level + 1} in the JSON"
                    f" DOM. Expected at level: {len(shape)}"
                )
            if len(item) != size:
                raise invalid_argument(
                    f"Encountered list at unexpected size: {len(item)} at level: {level}"
                    f" expected size: {size}"
                )
        values = list(chain.from_iterable(values))
    if list in set(map(type, values)):
        raise invalid_argument(
            f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}"
        )
    return shape, values


def _array(values: list[Any], dtype: int) -> Array:
    """Values of one JSON type as a flat array."""
    if dtype == types_pb2.DT_STRING:
        strings = np.empty(len(values), dtype=object)
        strings[:] = [_string(value) for value in values]
        return strings
    fitting = _FITTING.get(dtype)
    if fitting is None:
        raise StatusError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value: {shown(values[0]) if values else '[]'} to type:"
            f" {type_name(dtype)}",
        )
    if not set(map(type, values)) <= fitting:
        raise _type_error(next(value for value in values if type(value) not in fitting), dtype)
    kind = tf.as_dtype(dtype).as_numpy_dtype
    if dtype in _INTEGERS:
        limits = np.iinfo(kind)
        for value in values:
            if not limits.min <= value <= limits.max:
                raise _type_error(value, dtype)
    if dtype in _FLOATS:
        _check_lossless(values, dtype)
    with np.errstate(over="ignore"):
        return np.array(values, kind)


def _type_error(value: object, dtype: int) -> StatusError:
    return invalid_argument(
        f"JSON Value: {shown(value)} Type: {json_type(value)} is not of expected type:"
        f" {type_name(dtype)}"
    )


def _check_lossless(values: list[Any], dtype: int) -> None:
    """Refuses what a float cannot hold; rounding decimals is no loss."""
    info = np.finfo(tf.as_dtype(dtype).as_numpy_dtype)
    most, whole = float(info.max), 2 ** (info.nmant + 1) - 1
    for value in values:
        limit = whole if type(value) is int else most
        if abs(value) > limit and abs(value) != float("inf"):
            raise invalid_argument(
                f"Cannot convert JSON value: {shown(value)} to {type_name(dtype)} without loss of"
                " precision."
            )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _string(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict):
        return decoded_base64(value)
    raise _type_error(value, types_pb2.DT_STRING)
