"""What a model answers to Classify and Regress has to fit the response: it is told if not."""

from types import SimpleNamespace

import numpy as np
import pytest
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import classification_pb2, regression_pb2

from serving.server.errors import StatusError
from serving.server.examples import CLASSIFY, REGRESS, classify_call, regress_call


def servable(method: str, *outputs: str, inputs: tuple[str, ...] = ("inputs",), check=False):
    signature = meta_graph_pb2.SignatureDef(method_name=method)
    for name in inputs:
        signature.inputs[name].name = f"{name}:0"
    for name in outputs:
        signature.outputs[name].name = f"{name}:0"
    return SimpleNamespace(
        name="toy", version=1, signatures={"serving_default": signature}, check_method_name=check
    )


def request(kind, examples: int = 2):
    made = kind()
    for _ in range(examples):
        made.input.example_list.examples.add()
    return made


def classify(*outputs: str, **options):
    return classify_call(
        servable(CLASSIFY, *outputs, **options), request(classification_pb2.ClassificationRequest)
    )


def regress(*outputs: str, **options):
    return regress_call(
        servable(REGRESS, *outputs, **options), request(regression_pb2.RegressionRequest)
    )


LABELS = np.array([[b"plus", b"minus"]] * 2, object)
SCORES = np.array([[0.75, 0.25]] * 2, np.float32)


def test_classes_and_scores_come_in_pairs():
    response = classify("classes", "scores").respond([LABELS, SCORES])
    rows = [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]
    assert rows == [[("plus", 0.75), ("minus", 0.25)]] * 2


def test_labels_may_come_without_scores():
    response = classify("classes").respond([LABELS])
    assert [c.score for c in response.result.classifications[0].classes] == [0, 0]


@pytest.mark.parametrize(
    ("classes", "scores", "said"),
    [
        (LABELS[0], SCORES, r"shape: \[batch_size num_classes\] but got \[2\]"),
        (LABELS, SCORES.astype(np.float64), "scores Tensor of DT_FLOAT. Got: float64"),
        (SCORES, SCORES, "classes Tensor of DT_STRING. Got: float32"),
        (LABELS, SCORES[:1], "scores output batch size of 2. Got: 1"),
        (LABELS[:, :1], SCORES, r"match in dim_size\(1\). Got 1 vs. 2"),
    ],
)
def test_classes_and_scores_that_do_not_fit(classes, scores, said):
    call = classify("classes", "scores")
    with pytest.raises(StatusError, match=said):
        call.respond([classes, scores])


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_number_for_each_example(shape):
    response = regress("outputs").respond([np.array([1.5, 2.5], np.float32).reshape(shape)])
    assert [row.value for row in response.result.regressions] == [1.5, 2.5]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((2, 2), np.float32), r"\[batch_size\] or \[batch_size, 1\] but got \[2,2\]"),
        (np.zeros(3, np.float32), "did not match output batch size: 2 vs. 3"),
        (np.zeros(2, np.float64), "Tensor of DT_FLOAT.  Got: float64"),
    ],
)
def test_numbers_that_do_not_fit(values, said):
    with pytest.raises(StatusError, match=said):
        regress("outputs").respond([values])


@pytest.mark.parametrize(
    ("ask", "outputs", "options", "said"),
    [
        (classify, ("a", "b", "c"), {}, "one or two output Tensors, found 3"),
        (classify, ("a",), {}, 'at least one of "classes" or "scores"'),
        (classify, ("scores",), {"inputs": ("x",)}, "No classification in"),
        (regress, ("a", "b"), {}, "Expected one output Tensor."),
        (regress, ("a",), {}, "No regression outputs found"),
        (regress, ("outputs",), {"inputs": ("a", "b")}, "one input Tensor."),
    ],
)
def test_signatures_that_do_not_fit(ask, outputs, options, said):
    with pytest.raises(StatusError, match=said) as caught:
        ask(*outputs, **options)
    assert caught.value.code.name == "INVALID_ARGUMENT"


def test_the_method_name_counts_only_where_it_is_checked():
    asked = request(regression_pb2.RegressionRequest)
    assert regress_call(servable(CLASSIFY, "outputs"), asked).api == "Regress"
    with pytest.raises(StatusError, match=f"method_name to be {REGRESS}. Was: {CLASSIFY}"):
        regress_call(servable(CLASSIFY, "outputs", check=True), asked)
