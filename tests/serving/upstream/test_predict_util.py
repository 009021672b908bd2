"""`predict_util_test.cc` and `predict_impl_test.cc` of TensorFlow Serving.

Both ask the same: the first without a server, the second with one.
"""

import functools

import numpy as np
import pytest
from google.protobuf import text_format
from model_server import HANGS
from servable_calls import answer, predict_request, refused, request
from tensorflow.core.framework import tensor_pb2

from serving.server.errors import Code

pytestmark = pytest.mark.long

INVALID = Code.INVALID_ARGUMENT
TWO, TEXT = np.float32(2), np.array([b"any_value"], object)


@pytest.fixture(params=["util", "impl"])
def predict(request):
    """Asks a model of the given name without a server, or in one."""
    if request.param == "util":
        load = request.getfixturevalue("load")
        return lambda asked: answer(load(asked.model_spec.name), "Predict", asked)
    stub = request.getfixturevalue("server").predictions
    return functools.partial(stub.Predict, timeout=HANGS)


half = functools.partial(predict_request, name="half_plus_two")


def outputs(response, signature, **expected):
    """Checks a whole response: outputs are scalars in their typed field."""
    spec = response.model_spec
    assert (spec.signature_name, spec.version.value) == (signature, 123)
    assert set(response.outputs) == set(expected)
    for alias, value in expected.items():
        proto = text_format.Parse(
            f"dtype: DT_FLOAT tensor_shape {{}} float_val: {value}", tensor_pb2.TensorProto()
        )
        assert response.outputs[alias] == proto


def test_MissingOrEmptyModelSpec(load, server):
    asked = request("Predict")
    asked.ClearField("model_spec")
    for ask in (
        functools.partial(answer, load("half_plus_two"), "Predict"),
        server.predictions.Predict,
    ):
        with refused(INVALID):
            ask(asked)
    asked.model_spec.SetInParent()
    with refused(INVALID):
        server.predictions.Predict(asked, HANGS)
    with refused(Code.NOT_FOUND):
        server.predictions.Predict(half(name="test"), HANGS)


def test_EmptyInputList(predict):
    with refused(INVALID):
        predict(half())


def test_InputTensorsDontMatchModelSpecInputs(predict):
    with refused(INVALID, "Sent extra: {unknown_key1,unknown_key2}", "Missing but required: {x}"):
        predict(half(unknown_key1=TEXT, unknown_key2=TWO))


def test_PredictionInvalidTensor(predict):
    with refused(INVALID, "Expects arg[0] to be float but bool is provided"):
        predict(half(x=np.bool_(True)))


def test_OutputFiltersDontMatchModelSpecOutputs(predict):
    asked = half(x=TWO)
    asked.output_filter.append("output_filter")
    with refused(INVALID, "output tensor alias not found in signature: output_filter"):
        predict(asked)
    asked.output_filter[:] = ["y"]
    outputs(predict(asked), "serving_default", y=3)
    asked.output_filter.append("y")
    with refused(INVALID, "duplicate output tensor alias: y"):
        predict(asked)


def test_InputTensorsHaveWrongType(predict):
    asked = half(x=TEXT)
    asked.output_filter.append("y")
    with refused(INVALID, "to be float but string is provided"):
        predict(asked)


def test_ModelMissingSignatures(predict):
    with refused(Code.FAILED_PRECONDITION):
        predict(predict_request(name="no_default"))


def test_PredictionSuccess(predict):
    outputs(predict(half(x=TWO)), "serving_default", y=3)


def test_PredictionWithNamedRegressionSignature(predict):
    asked = half(signature="regress_x2_to_y3", inputs=TWO)
    outputs(predict(asked), "regress_x2_to_y3", outputs=4)


def test_PredictionWithNamedClassificationSignature(predict):
    asked = half(signature="classify_x2_to_y3", inputs=TWO)
    outputs(predict(asked), "classify_x2_to_y3", scores=4)


def test_PredictionWithCustomizedSignatures(predict):
    def ask(signature, *filtered, **inputs):
        asked = predict_request(name="counter", signature=signature, **inputs)
        asked.output_filter.extend(filtered)
        return predict(asked)

    outputs(ask("get_counter"), "get_counter", output=0)
    outputs(ask("incr_counter"), "incr_counter", output=1)
    outputs(ask("reset_counter"), "reset_counter", output=0)
    outputs(ask("incr_counter", "output"), "incr_counter", output=1)
    outputs(ask("incr_counter_by", delta=np.float32(3)), "incr_counter_by", output=4)


@pytest.mark.parametrize("check", [False, True])
def test_MethodNameCheck(load, check):
    model = load("half_plus_two", check)
    outputs(answer(model, "Predict", half(x=TWO)), "serving_default", y=3)
    asked = half(signature="unsupported", x=TWO)
    if check:
        with refused(Code.INTERNAL, "method_name"):
            answer(model, "Predict", asked)
    else:
        outputs(answer(model, "Predict", asked), "unsupported", y=3)
