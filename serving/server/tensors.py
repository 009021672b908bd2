"""TensorProto to NumPy array and back, as TensorFlow's C++ does it."""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import wrappers_pb2
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.server.errors import invalid_argument

Array = np.ndarray[Any, np.dtype[Any]]

MOST_FILLED = 2**24
"""Bytes that a tensor may take if its shape asks for more values than were sent. TensorFlow repeats
the last one without a limit, so that 40 bytes could ask for all memory."""
_STRING_BYTES = 32
"""Bytes that an empty string takes in an array and in a tensor."""
_FEW = 10_000
"""Values that Python reads in a millisecond. TensorFlow reads more of them faster, and lets other
threads run, but takes longer to begin."""


class _Field(NamedTuple):
    """How the values of a type lie in a TensorProto."""

    name: str
    wire: str
    """NumPy's type of the field's numbers."""
    stored: str
    """The type of the same numbers in an array's memory."""
    kind: Any
    """The type of that array."""


_FIELDS = {
    dtype: _Field(name, wire, stored, tf.as_dtype(dtype).as_numpy_dtype)
    for dtype, name, wire, stored in (
        (types_pb2.DT_FLOAT, "float_val", "<f4", "<f4"),
        (types_pb2.DT_DOUBLE, "double_val", "<f8", "<f8"),
        (types_pb2.DT_BOOL, "bool_val", "?", "?"),
        (types_pb2.DT_INT8, "int_val", "<i4", "<i1"),
        (types_pb2.DT_INT16, "int_val", "<i4", "<i2"),
        (types_pb2.DT_INT32, "int_val", "<i4", "<i4"),
        (types_pb2.DT_UINT8, "int_val", "<i4", "<u1"),
        (types_pb2.DT_UINT16, "int_val", "<i4", "<u2"),
        (types_pb2.DT_INT64, "int64_val", "<i8", "<i8"),
        (types_pb2.DT_UINT32, "uint32_val", "<u4", "<u4"),
        (types_pb2.DT_UINT64, "uint64_val", "<u8", "<u8"),
        (types_pb2.DT_HALF, "half_val", "<i4", "<u2"),
        (types_pb2.DT_BFLOAT16, "half_val", "<i4", "<u2"),
        (types_pb2.DT_COMPLEX64, "scomplex_val", "<f4", "<f4"),
        (types_pb2.DT_COMPLEX128, "dcomplex_val", "<f8", "<f8"),
        (types_pb2.DT_STRING, "string_val", "O", "O"),
    )
}
_PACKED = {types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE, types_pb2.DT_BOOL}
"""Packed on the wire exactly as NumPy holds them in memory."""
_NAMES = {"float16": "half", "float32": "float", "float64": "double"}


def type_name(dtype: int) -> str:
    """TensorFlow's name of a type: `float`, `string`, `int64`."""
    try:
        name: str = tf.as_dtype(dtype).name
    except TypeError:
        return f"unknown dtype enum ({dtype})"
    return _NAMES.get(name, name)


def _shape(proto: Any, alias: str) -> list[int]:
    """The shape, unless it is none or asks for much more than was sent."""
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0:
        raise invalid_argument(f"tensor parsing error: {alias}")
    field = _FIELDS.get(proto.dtype)
    sent = len(getattr(proto, field.name)) if field else 0
    sent = sent or proto.ByteSize()  # as content, with at least a byte for each
    item = np.dtype(field.kind).itemsize if field and field.stored != "O" else _STRING_BYTES
    size = math.prod(shape) * item
    if size > max(MOST_FILLED, sent * item):
        raise invalid_argument(
            f"tensor parsing error: {alias}: its shape takes {size} bytes, of which {sent * item}"
            f" were sent; what is not sent may take {MOST_FILLED}"
        )
    return shape


def to_array(proto: Any, alias: str) -> Array:
    """Reads a TensorProto; strings become `bytes` objects. `alias` is the input's name in errors.

    Surplus values are dropped; missing ones are the last one again.
    """
    shape = _shape(proto, alias)
    try:
        return _array(proto, shape)
    except (TypeError, ValueError, OverflowError, MemoryError, tf.errors.OpError) as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error


def _array(proto: Any, shape: list[int]) -> Array:
    field, content = _FIELDS.get(proto.dtype), proto.tensor_content
    strings = field is not None and field.stored == "O"
    sent = getattr(proto, field.name) if field else ()
    array: Array
    if field and content and not strings:
        array = np.frombuffer(content if math.prod(shape) else b"", field.kind).copy()
    elif content or not field or (len(sent) > _FEW and not strings):
        dtype = tf.as_dtype(proto.dtype)
        tensor = tf.io.parse_tensor(proto.SerializeToString(), dtype)
        array = np.asarray(tensor.numpy(), dtype.as_numpy_dtype)
    else:
        array = np.empty(math.prod(shape), field.kind)
        numbers = np.array(sent[:], field.wire).astype(field.stored, copy=False)
        each = array.itemsize // numbers.itemsize  # two make a complex value
        values = numbers[: len(numbers) // each * each].view(field.kind)
        array[: len(values)] = values[: array.size]
        array[len(values) :] = values[-1] if len(values) else b"" if strings else 0
    return array.reshape(shape)


def to_proto(array: Array) -> Any:
    """Writes an array in TensorProto's typed fields (`float_val`, `string_val` and so on)."""
    dtype = tf.as_dtype(array.dtype).as_datatype_enum
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    field = _FIELDS.get(dtype)
    if field is None:
        proto.tensor_content = array.tobytes()
    elif dtype in _PACKED:
        # The same bytes, but for the key, are a message of one field of bytes.
        content = wrappers_pb2.BytesValue(value=array.tobytes()).SerializeToString()
        number = proto.DESCRIPTOR.fields_by_name[field.name].number
        proto.MergeFromString(content and bytes([number << 3 | 2]) + content[1:])
    else:
        getattr(proto, field.name).extend(array.ravel().view(field.stored).tolist())
    return proto
