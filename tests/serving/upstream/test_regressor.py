"""`regressor_test.cc` and `regression_service_test.cc` of TensorFlow Serving."""

import functools

import pytest
from model_server import HANGS
from servable_calls import answer, example, feature, refused, request

from serving.server.errors import Code

pytestmark = pytest.mark.long

INVALID = Code.INVALID_ARGUMENT


@pytest.fixture(params=[False, True], ids=["unchecked", "checked"])
def regress(request, load):
    """Asks the model, without and with the check of method names."""
    return functools.partial(answer, load("regressor", request.param), "Regress")


def output(value: float):
    """An example that names what is to be answered."""
    return example(output=feature(value))


def values(response):
    return [regression.value for regression in response.result.regressions]


TWO, THREE = output(2.0), output(3.0)


def test_BasicExampleList(regress):
    assert values(regress(request("Regress", TWO, THREE))) == [2, 3]


def test_BasicExampleListWithContext(regress):
    assert values(regress(request("Regress", example(), example(), context=THREE))) == [3, 3]


def test_ValidNamedSignature(regress):
    assert values(regress(request("Regress", TWO, THREE, signature="output_plus_one"))) == [3, 4]


def test_InvalidNamedSignature(regress):
    with refused(None):
        regress(request("Regress", TWO, THREE, signature="invalid_classification"))


def test_MalformedOutputs(regress):
    with refused(INVALID):
        regress(request("Regress", TWO, THREE, signature="improperly_sized"))


def test_EmptyInput(regress):
    empty = request("Regress")
    empty.input.SetInParent()
    with refused(INVALID, "Input is empty"):
        regress(empty)


def test_EmptyExampleList(regress):
    empty = request("Regress")
    empty.input.example_list.SetInParent()
    with refused(INVALID, "Input is empty"):
        regress(empty)


def test_EmptyExampleListWithContext(regress):
    with refused(INVALID, "Input is empty"):
        regress(request("Regress", context=THREE))


def test_RunsFails(regress):
    with refused(None, "Run totally failed"):
        regress(request("Regress", TWO, signature="fails"))


def test_UnexpectedOutputTensorSize(regress):
    with refused(None, "output batch size"):
        regress(request("Regress", TWO, signature="size"))


def test_UnexpectedOutputTensorType(regress):
    with refused(None, "Expected output Tensor of DT_FLOAT"):
        regress(request("Regress", TWO, signature="type"))


def test_MissingRegressionSignature(regress):
    with refused(INVALID):
        regress(request("Regress", example(**{"class": feature(b"uno")}), signature="missing"))


@pytest.mark.parametrize("check", [False, True])
def test_MethodNameCheck(load, check):
    model = load("regressor", check)
    assert values(answer(model, "Regress", request("Regress", TWO))) == [2]
    for signature in ("unsupported_method", "no_method"):
        asked = request("Regress", TWO, signature=signature)
        if check:
            with refused(None, "method_name"):
                answer(model, "Regress", asked)
        else:
            assert values(answer(model, "Regress", asked)) == [2]


class TestRegressionService:
    """The service's own cases, over gRPC."""

    def test_InvalidModelSpec(self, server):
        asked = request("Regress", TWO)
        asked.ClearField("model_spec")
        with refused(INVALID):
            server.predictions.Regress(asked, HANGS)
        asked.model_spec.SetInParent()
        with refused(INVALID):
            server.predictions.Regress(asked, HANGS)
        with refused(Code.NOT_FOUND):
            server.predictions.Regress(request("Regress", TWO, name="foo"), HANGS)

    def test_InvalidSignature(self, server):
        asked = request("Regress", name="default", signature="invalid_signature_name")
        with refused(INVALID):
            server.predictions.Regress(asked, HANGS)

    def test_RegressionSuccess(self, server):
        features = example(x=feature(80.0), locale=feature(b"pt_BR"), age=feature(19.0))
        asked = request("Regress", features, name="default", signature="regress_x_to_y")
        response = server.predictions.Regress(asked, HANGS)
        assert values(response) == [42]
        spec = response.model_spec
        assert (spec.name, spec.signature_name, spec.version.value) == (
            *("default", "regress_x_to_y"),
            123,
        )
