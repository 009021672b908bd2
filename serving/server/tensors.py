"""TensorProto to NumPy array and back, as TensorFlow's C++ does it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.server.errors import invalid_argument

Array = np.ndarray[Any, np.dtype[Any]]

_FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_UINT16: "int_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_HALF: "half_val",
    types_pb2.DT_BFLOAT16: "half_val",
    types_pb2.DT_COMPLEX64: "scomplex_val",
    types_pb2.DT_COMPLEX128: "dcomplex_val",
}
_MOST_FILLED = 2**26
"""Values that a message may leave out."""
_BITS = {types_pb2.DT_HALF, types_pb2.DT_BFLOAT16}
_COMPLEX = {types_pb2.DT_COMPLEX64, types_pb2.DT_COMPLEX128}
_NAMES = {"float16": "half", "float32": "float", "float64": "double"}
# Packed on the wire exactly as NumPy holds them in memory: the key of the field, by type.
_PACKED_KEYS = {
    types_pb2.DT_FLOAT: b"\x2a",
    types_pb2.DT_DOUBLE: b"\x32",
    types_pb2.DT_BOOL: b"\x5a",
}


def type_name(dtype: int) -> str:
    """TensorFlow's name of a type: `float`, `string`, `int64`."""
    try:
        name: str = tf.as_dtype(dtype).name
    except TypeError:
        return f"unknown dtype enum ({dtype})"
    return _NAMES.get(name, name)


def to_array(proto: Any, alias: str) -> Array:
    """Reads a TensorProto.

    Args:
        proto: The message.
        alias: The input's name, for the error.

    Returns:
        The array; strings are `bytes` objects.

    Raises:
        StatusError: The message holds no tensor.
    """
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    field = _FIELDS.get(proto.dtype)
    if field is None or proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise invalid_argument(f"tensor parsing error: {alias}")
    try:
        return _array(proto, field, shape)
    except (ValueError, OverflowError, MemoryError) as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error


def _array(proto: Any, field: str, shape: tuple[int, ...]) -> Array:
    count = 1
    for size in shape:
        count *= size
    values = getattr(proto, field)
    if proto.dtype == types_pb2.DT_STRING:
        strings = np.empty(len(values), dtype=object)
        strings[:] = values
        return _filled(strings, count, b"").reshape(shape)
    dtype: np.dtype[Any] = np.dtype(tf.as_dtype(proto.dtype).as_numpy_dtype)
    flat: Array
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    if proto.dtype in _BITS:
        flat = np.array(values, np.uint16).view(dtype)
    elif proto.dtype in _COMPLEX:
        parts = np.array(values, np.float64)
        flat = (parts[::2] + 1j * parts[1::2]).astype(dtype)
    else:
        flat = np.array(values, dtype)
    return _filled(flat, count, 0).reshape(shape)


def _filled(flat: Array, count: int, zero: object) -> Array:
    """Repeats the last value, as TensorFlow does where a message holds fewer than its shape."""
    if len(flat) > count:
        raise ValueError("more values than the shape holds")
    if count > max(len(flat), _MOST_FILLED):
        raise ValueError("a few bytes would fill the memory")
    if len(flat) == count:
        return flat
    filled = np.empty(count, flat.dtype)
    filled[: len(flat)] = flat
    filled[len(flat) :] = flat[-1] if len(flat) else zero
    return filled


def to_proto(array: Array) -> Any:
    """Writes an array in TensorProto's typed fields (`float_val`, `string_val` and so on)."""
    dtype = tf.as_dtype(array.dtype).as_datatype_enum
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    fill_values(proto, array)
    return proto


def fill_values(proto: Any, array: Array) -> None:
    """Fills a TensorProto's typed field; its type is set already."""
    dtype = proto.dtype
    if dtype in _PACKED_KEYS:
        content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        if content:
            proto.MergeFromString(_PACKED_KEYS[dtype] + _varint(len(content)) + content)
        return
    flat = array.ravel()
    if dtype == types_pb2.DT_STRING:
        values: Sequence[Any] = [
            value.encode() if isinstance(value, str) else value for value in flat.tolist()
        ]
    elif dtype in _BITS:
        values = flat.view(np.uint16).tolist()
    elif dtype in _COMPLEX:
        values = np.stack([flat.real, flat.imag], axis=1).ravel().tolist()
    else:
        values = flat.tolist()
    getattr(proto, _FIELDS[dtype]).extend(values)


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
