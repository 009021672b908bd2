"""What JSON becomes, type by type: the value that fits, and the first one that does not."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving.server.errors import StatusError
from serving.server.json_tensors import fill_predict_request


def filled(value, dtype: int, key: str = "inputs"):
    info = meta_graph_pb2.TensorInfo(name="x:0", dtype=dtype)
    request = predict_pb2.PredictRequest()
    fill_predict_request({key: value}, {"x": info}, request)
    return tf.make_ndarray(request.inputs["x"])


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [
        (types_pb2.DT_INT8, -128, 127),
        (types_pb2.DT_INT16, -(2**15), 2**15 - 1),
        (types_pb2.DT_INT32, -(2**31), 2**31 - 1),
        (types_pb2.DT_INT64, -(2**63), 2**63 - 1),
        (types_pb2.DT_UINT8, 0, 255),
        (types_pb2.DT_UINT32, 0, 2**32 - 1),
        (types_pb2.DT_UINT64, 0, 2**64 - 1),
    ],
)
def test_an_integer_fits_up_to_its_type_s_limits(dtype, least, most):
    assert filled([least, most], dtype).tolist() == [least, most]
    for outside in (least - 1, most + 1):
        with pytest.raises(StatusError, match=f"Value: {outside} Type: .* not of expected type"):
            filled([least, outside], dtype)


@pytest.mark.parametrize(
    ("dtype", "fitting", "other"),
    [
        (types_pb2.DT_INT32, 1, 1.5),
        (types_pb2.DT_INT32, 1, True),
        (types_pb2.DT_FLOAT, 1.5, "1.5"),
        (types_pb2.DT_DOUBLE, 1.5, None),
        (types_pb2.DT_BOOL, True, 1),
        (types_pb2.DT_STRING, "text", 1),
        (types_pb2.DT_STRING, {"b64": "AA=="}, True),
    ],
)
def test_another_type_is_named_with_its_value(dtype, fitting, other):
    assert filled([fitting, fitting], dtype).shape == (2,)
    with pytest.raises(StatusError, match="is not of expected type") as caught:
        filled([fitting, other], dtype)
    assert caught.value.code.name == "INVALID_ARGUMENT"


@pytest.mark.parametrize("value", [[1], [], 1])
def test_a_type_that_json_cannot_say_is_unimplemented(value):
    with pytest.raises(StatusError, match=r"Conversion of JSON Value: .+ to type: complex64") as e:
        filled(value, types_pb2.DT_COMPLEX64)
    assert e.value.code.name == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("dtype", "whole"), [(types_pb2.DT_FLOAT, 2**24), (types_pb2.DT_DOUBLE, 2**53)]
)
def test_a_whole_number_that_a_float_would_round_is_refused(dtype, whole):
    assert filled(whole - 1, dtype) == whole - 1
    with pytest.raises(StatusError, match="without loss of precision"):
        filled(whole + 1, dtype)


def test_a_decimal_beyond_float32_is_refused_and_infinity_is_not():
    assert np.isinf(filled(float("inf"), types_pb2.DT_FLOAT))
    with pytest.raises(StatusError, match="without loss of precision"):
        filled(1e39, types_pb2.DT_FLOAT)
    assert filled(1e39, types_pb2.DT_DOUBLE) == 1e39


def test_the_row_at_fault_is_named():
    with pytest.raises(StatusError, match="Failed to process element: 2 .*of 'instances' list"):
        filled([1, 2, "three"], types_pb2.DT_INT32, key="instances")


def test_a_tensor_that_is_not_the_signature_s_is_refused():
    with pytest.raises(StatusError):
        filled({"y": [1]}, types_pb2.DT_INT32)
