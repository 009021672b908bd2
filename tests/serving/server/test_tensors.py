"""TensorProto to array and back: what TensorFlow's own C++ makes of the same message."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.server.errors import StatusError
from serving.server.tensors import MOST_FILLED, to_array, to_proto

FIELDS = {
    "float_val": ("float",),
    "double_val": ("double",),
    "bool_val": ("bool",),
    "int_val": ("int8", "int16", "int32", "uint8", "uint16", "qint8"),
    "int64_val": ("int64",),
    "uint32_val": ("uint32",),
    "uint64_val": ("uint64",),
    "half_val": ("half", "bfloat16"),
    "scomplex_val": ("complex64",),
    "dcomplex_val": ("complex128",),
    "string_val": ("string",),
}
VALUES = {
    "float_val": [1.5, float("inf"), -2, 1e38],
    "double_val": [1.5, -1e300],
    "scomplex_val": [1.5, 2, -3],
    "dcomplex_val": [1e300, 2, -3],
    "bool_val": [True, False, True],
    "string_val": [b"", b"\0\xff", b"long" * 100],
    "uint32_val": [0, 2**32 - 1],
    "uint64_val": [0, 2**64 - 1],
}


def message(dtype, shape=(), content=b"", **fields):
    proto = tensor_pb2.TensorProto(dtype=dtype, tensor_content=content, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def tensorflow_reads(proto):
    dtype = tf.as_dtype(proto.dtype)
    tensor = tf.io.parse_tensor(proto.SerializeToString(), dtype)
    return np.asarray(tensor.numpy(), dtype.as_numpy_dtype)


def same(one, other):
    assert (one.shape, one.dtype) == (other.shape, other.dtype)
    assert one.tolist() == other.tolist() or one.tobytes() == other.tobytes()


@pytest.mark.parametrize("sent", [0, 1, 2, 3, 7, 12_000])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 2), (2, 0, 3), (1,) * 10])
@pytest.mark.parametrize("field", FIELDS)
def test_any_number_of_values_in_any_shape(field, shape, sent):
    values = VALUES.get(field, [-1, 300, -40_000, 7, 2**31 - 1])
    values = (values * 12_000)[:sent]
    for name in FIELDS[field]:
        proto = message(tf.as_dtype(name).as_datatype_enum, shape, **{field: values})
        array = to_array(proto, "x")
        same(array, tensorflow_reads(proto))
        same(tensorflow_reads(to_proto(array)), array)


@pytest.mark.parametrize(
    ("shape", "content", "strings"),
    [
        ((2,), b"\1\2abb", [b"a", b"bb"]),
        ((), b"\1a", b"a"),
        ((2, 1), b"\0\x80\1" + b"x" * 128, [[b""], [b"x" * 128]]),
        ((0,), b"junk", []),
    ],
)
def test_strings_in_content(shape, content, strings):
    array = to_array(message(types_pb2.DT_STRING, shape, content), "x")
    assert (array.shape, array.dtype, array.tolist()) == (shape, object, strings)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint16, np.bool_, np.complex128])
def test_numbers_in_content(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    same(to_array(tf.make_tensor_proto(array), "x"), array)


@pytest.mark.parametrize(
    "proto",
    [
        message(types_pb2.DT_FLOAT, [2], b"12345"),
        message(types_pb2.DT_STRING, [2], b"\1\5abb"),
        message(types_pb2.DT_STRING, [2], b"\1\1abb"),
        message(types_pb2.DT_FLOAT, [-1], float_val=[1]),
        message(types_pb2.DT_FLOAT, [1] * 100, float_val=[1]),
        message(types_pb2.DT_FLOAT, [0, 2**62]),
        message(types_pb2.DT_STRING, [0, 2**62]),
        message(types_pb2.DT_INVALID, [1]),
        message(999, [1]),
        message(types_pb2.DT_RESOURCE, [1]),
    ],
)
def test_what_is_no_tensor_is_refused(proto):
    with pytest.raises(StatusError) as caught:
        to_array(proto, "x")
    assert (caught.value.code.name, caught.value.message) == (
        "INVALID_ARGUMENT",
        "tensor parsing error: x",
    )


@pytest.mark.parametrize(
    "proto",
    [
        message(types_pb2.DT_FLOAT, [60_000_000], float_val=[1]),
        message(types_pb2.DT_FLOAT, [2**40, 2**40]),
        message(types_pb2.DT_STRING, [2**27]),
        message(types_pb2.DT_STRING, [2**27], string_val=[bytes(2**20)]),
        message(types_pb2.DT_STRING, [2**27], b"\1a"),
        message(types_pb2.DT_QINT8, [2**27], int_val=[1]),
        message(types_pb2.DT_DOUBLE, [2**22], double_val=[1], string_val=[bytes(2**22)]),
    ],
)
def test_a_shape_that_asks_for_much_more_than_was_sent_is_refused(proto):
    with pytest.raises(StatusError, match="tensor parsing error: x: its shape takes") as caught:
        to_array(proto, "x")
    assert caught.value.code.name == "INVALID_ARGUMENT"


def test_a_shape_may_ask_for_a_little_more_and_all_may_be_sent():
    few = to_array(message(types_pb2.DT_FLOAT, [MOST_FILLED // 4], float_val=[2]), "x")
    assert few.nbytes == MOST_FILLED
    assert few.min() == few.max() == 2
    sent = np.ones(MOST_FILLED // 4 + 1, np.float32)
    same(to_array(to_proto(sent), "x"), sent)
