"""`multi_inference_test.cc` and `multi_inference_helper_test.cc` of TensorFlow Serving.

Both ask the same: the first without a server, the second with one. Each model is asked: that of
TensorFlow 1, and that of TensorFlow 2.
"""

import functools

import pytest
from model_server import HANGS
from servable_calls import answer, example, feature, refused, request, task
from upstream_models import CLASSIFY, PREDICT, REGRESS

from serving.server.errors import Code

pytestmark = pytest.mark.long

INVALID = Code.INVALID_ARGUMENT
MODELS = {"tf1": "half_plus_two", "tf2": "half_plus_two_tf2"}


class Asked:
    """A model that is asked over one of the two ways."""

    def __init__(self, name, infer):
        self.name, self.infer = name, infer
        self.request = request("MultiInference", example(x=feature(2.0)))

    def task(self, signature, method, name=None, **version):
        task(self.request, signature, method, name or self.name, **version)

    def values(self):
        response = self.infer(self.request)
        for asked, result in zip(self.request.tasks, response.results, strict=True):
            assert result.model_spec.name == asked.model_spec.name
            assert result.model_spec.signature_name == asked.model_spec.signature_name
            assert result.model_spec.version.value == 123
        return [
            (
                [one.value for one in result.regression_result.regressions],
                [
                    [(c.label, c.score) for c in one.classes]
                    for one in result.classification_result.classifications
                ],
            )
            for result in response.results
        ]


@pytest.fixture(params=[f"{way}-{model}" for way in ("function", "helper") for model in MODELS])
def asked(request):
    way, model = request.param.split("-")
    if way == "function":
        servable = request.getfixturevalue("load")(MODELS[model])
        return Asked("toy", functools.partial(answer, servable, "MultiInference"))
    stub = request.getfixturevalue("server").predictions
    return Asked(MODELS[model], functools.partial(stub.MultiInference, timeout=HANGS))


def test_MissingInputTest(asked):
    asked.request.ClearField("input")
    asked.task("regress_x_to_y", REGRESS)
    with refused(INVALID, "Input is empty"):
        asked.values()


def test_UndefinedSignatureTest(asked):
    asked.task("ThisSignatureDoesNotExist", REGRESS)
    with refused(INVALID, "signature not found"):
        asked.values()


def test_InconsistentModelSpecsInRequestTest(asked):
    asked.task("regress_x_to_y", REGRESS)
    asked.task("regress_x_to_y", REGRESS, name="ModelDoesNotExist")
    with refused(INVALID, "must access the same model name"):
        asked.values()


def test_EvaluateDuplicateSignaturesTest(asked):
    for _ in range(2):
        asked.task("regress_x_to_y", REGRESS)
    with refused(INVALID, "Duplicate evaluation of signature: regress_x_to_y"):
        asked.values()


def test_UsupportedSignatureTypeTest(asked):
    asked.task("serving_default", PREDICT)
    with refused(Code.UNIMPLEMENTED, "Unsupported signature"):
        asked.values()


def test_ValidSingleSignatureTest(asked):
    asked.task("regress_x_to_y", REGRESS, version=123)
    assert asked.values() == [([3], [])]


def test_MultipleValidRegressSignaturesTest(asked):
    asked.task("regress_x_to_y", REGRESS, version=123)
    asked.task("regress_x_to_y2", REGRESS, version=123)
    assert asked.values() == [([3], []), ([4], [])]


def test_RegressAndClassifySignaturesTest(asked):
    asked.task("regress_x_to_y", REGRESS, version=123)
    asked.task("classify_x_to_y", CLASSIFY, version=123)
    assert asked.values() == [([3], []), ([], [[("", 3)]])]
