"""`classifier_test.cc` and `classification_service_test.cc` of TensorFlow Serving."""

import functools

import pytest
from model_server import HANGS
from servable_calls import answer, example, feature, refused, request

from serving.server.errors import Code

pytestmark = pytest.mark.long

INVALID = Code.INVALID_ARGUMENT


@pytest.fixture(params=[False, True], ids=["unchecked", "checked"])
def classify(request, load):
    """Asks the model, without and with the check of method names."""
    return functools.partial(answer, load("classifier", request.param), "Classify")


def scored(**scores: float):
    """An example that names its classes and their scores."""
    classes = feature(*(name.encode() for name in scores))
    return example(**{"class": classes, "output": feature(*map(float, scores.values()))})


def rows(response):
    return [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]


ONE, TWO = scored(dos=2, uno=1), scored(cuatro=4, tres=3)


def test_ExampleList(classify):
    response = classify(request("Classify", ONE, TWO))
    assert rows(response) == [[("dos", 2), ("uno", 1)], [("cuatro", 4), ("tres", 3)]]


def test_ExampleListWithContext(classify):
    response = classify(request("Classify", example(), example(), context=ONE))
    assert rows(response) == [[("dos", 2), ("uno", 1)]] * 2


def test_ExampleListWithContext_DuplicateFeatures(classify):
    response = classify(request("Classify", example(), TWO, context=ONE))
    assert rows(response) == [[("dos", 2), ("uno", 1)], [("cuatro", 4), ("tres", 3)]]


def test_ClassesOnly(classify):
    response = classify(request("Classify", ONE, TWO, signature="classes_only"))
    assert rows(response) == [[("dos", 0), ("uno", 0)], [("cuatro", 0), ("tres", 0)]]


def test_ScoresOnly(classify):
    response = classify(request("Classify", ONE, TWO, signature="scores_only"))
    assert rows(response) == [[("", 2), ("", 1)], [("", 4), ("", 3)]]


def test_ZeroScoresArePresent(classify):
    asked = request("Classify", scored(minus=-1, zero=0, one=1), signature="scores_only")
    assert rows(classify(asked)) == [[("", -1), ("", 0), ("", 1)]]


def test_ValidNamedSignature(classify):
    response = classify(request("Classify", ONE, TWO, signature="output_plus_one"))
    assert rows(response) == [[("dos", 3), ("uno", 2)], [("cuatro", 5), ("tres", 4)]]


def test_InvalidNamedSignature(classify):
    with refused(INVALID):
        classify(request("Classify", ONE, TWO, signature="invalid_regression"))


def test_MalformedScores(classify):
    with refused(INVALID):
        classify(request("Classify", ONE, TWO, signature="improperly_sized"))


def test_MissingClassificationSignature(classify):
    with refused(INVALID):
        classify(request("Classify", ONE, signature="missing"))


def test_EmptyInput(classify):
    empty = request("Classify")
    empty.input.SetInParent()
    with refused(INVALID, "Input is empty"):
        classify(empty)


def test_EmptyExampleList(classify):
    empty = request("Classify")
    empty.input.example_list.SetInParent()
    with refused(INVALID, "Input is empty"):
        classify(empty)


def test_EmptyExampleListWithContext(classify):
    with refused(INVALID, "Input is empty"):
        classify(request("Classify", context=ONE))


def test_RunsFails(classify):
    with refused(None, "Run totally failed"):
        classify(request("Classify", ONE, signature="fails"))


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        pytest.param("classes_batch", "batch size", id="ClassesIncorrectTensorBatchSize"),
        pytest.param(
            "classes_type", "Expected classes Tensor of DT_STRING", id="ClassesIncorrectTensorType"
        ),
        pytest.param("scores_batch", "batch size", id="ScoresIncorrectTensorBatchSize"),
        pytest.param(
            "scores_type", "Expected scores Tensor of DT_FLOAT", id="ScoresIncorrectTensorType"
        ),
        pytest.param(
            "mismatched",
            "Tensors class and score should match in dim_size(1). Got 2 vs. 3",
            id="MismatchedNumberOfTensorClasses",
        ),
    ],
)
def test_wrong_output(classify, signature, words):
    with refused(None, words):
        classify(request("Classify", ONE, TWO, signature=signature))


@pytest.mark.parametrize("check", [False, True])
def test_MethodNameCheck(load, check):
    model = load("classifier", check)
    assert rows(answer(model, "Classify", request("Classify", ONE))) == [[("dos", 2), ("uno", 1)]]
    for signature in ("unsupported_method", "no_method"):
        asked = request("Classify", ONE, signature=signature)
        if check:
            with refused(None, "method_name"):
                answer(model, "Classify", asked)
        else:
            assert rows(answer(model, "Classify", asked)) == [[("dos", 2), ("uno", 1)]]


class TestClassificationService:
    """The service's own cases, over gRPC."""

    def test_InvalidModelSpec(self, server):
        asked = request("Classify", ONE)
        asked.ClearField("model_spec")
        with refused(INVALID):
            server.predictions.Classify(asked, HANGS)
        asked.model_spec.SetInParent()
        with refused(INVALID):
            server.predictions.Classify(asked, HANGS)
        with refused(Code.NOT_FOUND):
            server.predictions.Classify(request("Classify", ONE, name="foo"), HANGS)

    def test_InvalidSignature(self, server):
        asked = request("Classify", name="default", signature="invalid_signature_name")
        with refused(INVALID):
            server.predictions.Classify(asked, HANGS)

    def test_ClassificationSuccess(self, server):
        features = example(x=feature(80.0), locale=feature(b"pt_BR"), age=feature(19.0))
        asked = request("Classify", features, name="default", signature="classify_x_to_y")
        response = server.predictions.Classify(asked, HANGS)
        assert rows(response) == [[("", 42)]]
        spec = response.model_spec
        assert (spec.name, spec.signature_name, spec.version.value) == (
            *("default", "classify_x_to_y"),
            123,
        )
