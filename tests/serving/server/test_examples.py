"""Classify, Regress and MultiInference, on models of TensorFlow 1 and 2."""

import grpc
import pytest
from model_server import Server, spec
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

pytestmark = pytest.mark.long

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
BOTH = pytest.mark.parametrize(
    ("name", "classify", "regress"),
    [("tf1", "classify_x_to_y", "regress_x_to_y"), ("half", "classify", "regress")],
)


def add_examples(request, *values, context=None):
    listed = request.input.example_list
    if context is not None:
        listed = request.input.example_list_with_context
        listed.context.features.feature["x"].float_list.value.append(context)
    for value in values:
        example = listed.examples.add()
        if value is not None:
            example.features.feature["x"].float_list.value.append(value)


@BOTH
def test_classify(server: Server, name, classify, regress):
    request = classification_pb2.ClassificationRequest(model_spec=spec(name, classify))
    add_examples(request, 2.0, 4.0)
    response = server.predictions.Classify(request)
    rows = [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]
    if name == "tf1":
        assert rows == [[("", 3.0)], [("", 4.0)]]
    else:
        assert rows == [[("plus", 3.0), ("minus", -3.0)], [("plus", 4.0), ("minus", -4.0)]]
    assert response.model_spec == spec(name, classify, version=123)


@BOTH
def test_regress(server: Server, name, classify, regress):
    request = regression_pb2.RegressionRequest(model_spec=spec(name, regress))
    add_examples(request, 2.0, 4.0)
    response = server.predictions.Regress(request)
    assert [row.value for row in response.result.regressions] == [3.0, 4.0]
    assert response.model_spec == spec(name, regress, version=123)


def test_what_examples_have_in_common_may_stand_once(server: Server):
    request = regression_pb2.RegressionRequest(model_spec=spec("half", "regress"))
    add_examples(request, None, 4.0, context=2.0)
    response = server.predictions.Regress(request)
    assert [row.value for row in response.result.regressions] == [3.0, 4.0]


def test_what_examples_have_in_common_is_not_copied_without_a_limit(server: Server):
    request = regression_pb2.RegressionRequest(model_spec=spec("half", "regress"))
    add_examples(request, *[1.0] * 20, context=2.0)
    common = request.input.example_list_with_context.context.features
    common.feature["other"].bytes_list.value.append(bytes(2**20))
    with pytest.raises(grpc.RpcError, match="is too large for 20 examples") as caught:
        server.predictions.Regress(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def inference(name, *tasks):
    request = inference_pb2.MultiInferenceRequest()
    for signature, method in tasks:
        request.tasks.add(model_spec=spec(name, signature), method_name=method)
    add_examples(request, 2.0)
    return request


@BOTH
def test_multi_inference(server: Server, name, classify, regress):
    request = inference(name, (regress, REGRESS), (classify, CLASSIFY))
    response = server.predictions.MultiInference(request)
    assert [r.model_spec.signature_name for r in response.results] == [regress, classify]
    assert {r.model_spec.version.value for r in response.results} == {123}
    assert response.results[0].regression_result.regressions[0].value == 3.0
    classes = response.results[1].classification_result.classifications[0].classes
    assert classes[0].score == 3.0


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        ([], "INVALID_ARGUMENT", "at least one task"),
        ([("regress", REGRESS)] * 2, "INVALID_ARGUMENT", "Duplicate evaluation of signature"),
        ([("none", REGRESS)], "INVALID_ARGUMENT", "signature not found in model graph: none"),
        ([("regress", "else")], "UNIMPLEMENTED", "Unsupported signature method_name: else"),
        ([("two", CLASSIFY)], "INVALID_ARGUMENT", "No classification inputs found"),
        ([("sum", REGRESS)], "INVALID_ARGUMENT", "Expected one input Tensor."),
    ],
)
def test_multi_inference_refuses(server: Server, tasks, code, text):
    with pytest.raises(grpc.RpcError) as caught:
        server.predictions.MultiInference(inference("half", *tasks))
    assert caught.value.code().name == code
    assert text in caught.value.details()


def test_tasks_of_two_models_are_refused(server: Server):
    request = inference("half", ("regress", REGRESS), ("classify", CLASSIFY))
    request.tasks[1].model_spec.name = "tf1"
    with pytest.raises(grpc.RpcError, match="must access the same model name"):
        server.predictions.MultiInference(request)


@pytest.mark.parametrize(
    ("signature", "values", "text"),
    [
        ("classify", (), "Input is empty."),
        ("nope", (1.0,), "No signature was found with the name: nope"),
        ("sum", (1.0,), "Expected one input Tensor."),
        ("classify", (None,), "x"),
    ],
)
def test_classify_refuses(server: Server, signature, values, text):
    request = classification_pb2.ClassificationRequest(model_spec=spec("half", signature))
    add_examples(request, *values)
    with pytest.raises(grpc.RpcError) as caught:
        server.predictions.Classify(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert text in caught.value.details()


def test_a_long_text_is_cut(server: Server):
    request = classification_pb2.ClassificationRequest(model_spec=spec("half", "n" * 3000))
    add_examples(request, 1.0)
    with pytest.raises(grpc.RpcError) as caught:
        server.predictions.Classify(request)
    assert len(caught.value.details()) == 1024 + len("...TRUNCATED")
    assert caught.value.details().endswith("...TRUNCATED")
