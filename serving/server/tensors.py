"""TensorProto to NumPy array and back, as TensorFlow's C++ does it."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import wrappers_pb2
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
    shape = [dim.size for dim in proto.tensor_shape.dim]
    # TensorFlow repeats the last value if there are too few.
    sent = getattr(proto, _FIELDS.get(proto.dtype, "string_val"))
    most = max(len(sent), len(proto.tensor_content), _MOST_FILLED)
    if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0 or math.prod(shape) > most:
        raise invalid_argument(f"tensor parsing error: {alias}")
    try:
        if proto.dtype == types_pb2.DT_STRING and not proto.string_val:
            return np.full(shape, b"", object)  # TensorFlow's Python would make it text
        array: Array = tf.make_ndarray(proto)
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error
    return array


def to_proto(array: Array) -> Any:
    """Writes an array in TensorProto's typed fields (`float_val`, `string_val` and so on)."""
    dtype = tf.as_dtype(array.dtype).as_datatype_enum
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.ravel()
    if dtype in _PACKED_KEYS:
        content = flat.astype(flat.dtype.newbyteorder("<"), copy=False).tobytes()
        # The same bytes, but for the key, are a message of one field of bytes.
        field = wrappers_pb2.BytesValue(value=content).SerializeToString()
        proto.MergeFromString(field and _PACKED_KEYS[dtype] + field[1:])
        return proto
    if dtype in _BITS:
        flat = flat.view(np.uint16)
    elif dtype in _COMPLEX:
        flat = np.stack([flat.real, flat.imag], axis=1).ravel()
    values = flat.tolist()
    if dtype == types_pb2.DT_STRING:
        values = [value.encode() if isinstance(value, str) else value for value in values]
    getattr(proto, _FIELDS[dtype]).extend(values)
    return proto
