"""`util_test.cc` of TensorFlow Serving's servables, and its `prometheus_exporter_test.cc`."""

import functools
from types import SimpleNamespace

import pytest
from servable_calls import Example, example, feature, refused
from tensorflow_serving.apis import input_pb2, model_pb2

from serving.server.errors import Code
from serving.server.examples import serialized_examples
from serving.server.flags import parse_flags
from serving.server.metrics import ServerMetrics
from serving.server.predict import fill_model_spec

A, B, C = (example(**{name: feature(value)}) for name, value in (("a", 11), ("b", 22), ("c", 33)))
CONTEXT = "example_list_with_context"


def read(kind, *examples, context=None):
    """The examples of an Input, as the model gets them."""
    made = input_pb2.Input()
    if kind:
        getattr(made, kind).SetInParent()
        getattr(made, kind).examples.extend(examples)
    if context is not None:
        made.example_list_with_context.context.CopyFrom(context)
    return [Example.FromString(serialized) for serialized in serialized_examples(made)]


def values(read):
    return [
        {name: one.int64_list.value[0] for name, one in row.features.feature.items()}
        for row in read
    ]


@pytest.mark.parametrize(
    ("kind", "context"),
    [
        pytest.param(None, None, id="Empty_KindNotSet"),
        pytest.param("example_list", None, id="Empty_ExampleList"),
        pytest.param(CONTEXT, None, id="Empty_ExampleListWithContext"),
        pytest.param(CONTEXT, C, id="ExampleListWithContext_OnlyContext"),
    ],
)
def test_empty_input(kind, context):
    with refused(Code.INVALID_ARGUMENT, "Input is empty"):
        read(kind, context=context)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            functools.partial(read, "example_list", A, B), [{"a": 11}, {"b": 22}], id="ExampleList"
        ),
        pytest.param(
            functools.partial(read, CONTEXT, A, B, context=C),
            [{"a": 11, "c": 33}, {"b": 22, "c": 33}],
            id="ExampleListWithContext",
        ),
        pytest.param(
            functools.partial(read, CONTEXT, A, example(c=feature(64)), context=C),
            [{"a": 11, "c": 33}, {"c": 64}],
            id="ExampleListWithOverridingContext",
        ),
        pytest.param(
            functools.partial(read, CONTEXT, A, B),
            [{"a": 11}, {"b": 22}],
            id="ExampleListWithContext_NoContext",
        ),
    ],
)
def test_input(ask, expected):
    assert values(ask()) == expected


def test_RequestNumExamplesStreamz():
    assert [len(read("example_list", *examples)) for examples in ((A, B), (C,))] == [2, 1]


@pytest.mark.parametrize(
    ("said", "signature"),
    [
        pytest.param("", "serving_default", id="EmptySignature"),
        pytest.param(None, "", id="OptionalVersion"),
        pytest.param("classify", "classify", id="AllOptionalSet"),
    ],
)
def test_model_spec(said, signature):
    spec = model_pb2.ModelSpec()
    fill_model_spec(spec, SimpleNamespace(name="toy", version=123), said)
    assert (spec.name, spec.signature_name, spec.version.value) == ("toy", signature, 123)


@pytest.mark.parametrize("value", ["true", "false"], ids=["SetGet-true", "SetGet-false"])
def test_signature_method_name_check(value):
    flag = f"--enable_signature_method_name_check={value}"
    flags, _ = parse_flags(["--model_base_path=/models", flag])
    assert flags.enable_signature_method_name_check == (value == "true")


class TestPrometheusExporter:
    @pytest.fixture
    def metrics(self):
        return ServerMetrics()

    def test_Counter(self, metrics):
        for _ in range(2):
            metrics.request("abc", "OK")
        name = ":tensorflow:serving:request_count"
        line = f'{name}{{model_name="abc",status="OK"}} 2\n'
        assert f"# TYPE {name} counter\n{line}" in metrics.text()

    def test_Histogram(self, metrics):
        for microseconds in (2, 20, 200):
            metrics.request_latency("good", "Predict", "GRPC", microseconds / 1e6)
        name = ":tensorflow:serving:request_latency"
        labels = 'model_name="good",API="Predict",entrypoint="GRPC"'
        lines = metrics.text().splitlines()
        start = lines.index(f"# TYPE {name} histogram") + 1
        buckets = lines[start:-2]
        assert buckets[:3] == [
            f'{name}_bucket{{{labels},le="10"}} 1',
            f'{name}_bucket{{{labels},le="18"}} 1',
            f'{name}_bucket{{{labels},le="32.4"}} 2',
        ]
        assert buckets[-1] == f'{name}_bucket{{{labels},le="+Inf"}} 3'
        assert lines[-2:] == [f"{name}_sum{{{labels}}} 222", f"{name}_count{{{labels}}} 3"]

    def test_SanitizeLabelValue(self, metrics):
        metrics.request('"abc\\"', "OK")
        assert r'{model_name="\"abc\\\"",status="OK"} 1' in metrics.text()
