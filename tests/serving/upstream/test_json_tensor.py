"""`json_tensor_test.cc` of TensorFlow Serving: what JSON is read as, and how answers are written.

An id is upstream's name of the test, and a number where that test asks several things.
"""

import json
import math
import re
from functools import partial

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import classification_pb2, predict_pb2, regression_pb2

from serving.server.errors import StatusError, invalid_argument
from serving.server.json_document import parse_object, signature_name
from serving.server.json_responses import (
    classification_json,
    error_json,
    predict_json,
    regression_json,
)
from serving.server.json_tensors import COLUMNAR, ROW, fill_example_request, fill_predict_request

INT, STRING = types_pb2.DT_INT32, types_pb2.DT_STRING
FLOAT, DOUBLE = types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE
NAN, INF = math.nan, math.inf
FIELDS = {INT: "int_val", STRING: "string_val", FLOAT: "float_val", DOUBLE: "double_val"}
ONE_INT = {"default": INT}
PAIRS = [[1, 2], [3, 4], [5, 6]]
SIX = [1, 2, 3, 4, 5, 6]
HELLO, WORLD = {"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}
LARGEST, LEAST = np.finfo(np.float64).max, np.finfo(np.float64).tiny
TWO = {"int_tensor": INT, "str_tensor": STRING}
FOUR = {**TWO, "float_tensor": FLOAT, "dbl_tensor": DOUBLE}


def cases(suite, table):
    """One parameter a row; a name that stands several times is numbered."""
    names = [row[0] for row in table]
    seen = {}
    for name, *values in table:
        seen[name] = seen.get(name, 0) + 1
        number = f"/{seen[name]}" if names.count(name) > 1 else ""
        yield pytest.param(*values, id=f"{suite}.{name}{number}")


def body(document):
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def read(document, dtypes):
    """The layout and the PredictRequest of a body."""
    inputs = {name: meta_graph_pb2.TensorInfo(dtype=dtype) for name, dtype in dtypes.items()}
    parsed = parse_object(body(document))
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature_name(parsed)
    return fill_predict_request(parsed, inputs, request), request


def read_examples(document, request):
    parsed = parse_object(body(document))
    request.model_spec.signature_name = signature_name(parsed)
    fill_example_request(parsed, request)


@pytest.mark.parametrize(
    ("dtypes", "document", "layout", "expected"),
    cases(
        "JsontensorTest",
        [
            ("SingleUnnamedTensor", ONE_INT, {"instances": PAIRS}, ROW, {"default": ([3, 2], SIX)}),
            (
                "MixedInputForFloatTensor",
                {"default": FLOAT},
                b'{"instances": [1, 2.0, 3, 4, 5.003, 0.007, 0.0]}',
                ROW,
                {"default": ([7], np.float32([1, 2, 3, 4, 5.003, 0.007, 0]).tolist())},
            ),
            (
                "MixedInputForDoubleTensor",
                {"default": DOUBLE},
                b'{"instances": [1.0, 2, 3, 4, 0.662, 0, 0.0]}',
                ROW,
                {"default": ([7], [1, 2, 3, 4, 0.662, 0, 0])},
            ),
            *(
                (
                    "FloatTensorWithPrecisionLoss",
                    {"default": FLOAT},
                    b'{"instances": [%s]}' % number,
                    ROW,
                    {"default": ([1], [float(np.float32(1435774380))])},
                )
                for number in (b"1435774380", b"1435774380.0")
            ),
            *(
                (
                    name,
                    {"default": FLOAT},
                    {"instances": [sign * value]},
                    ROW,
                    {"default": ([1], [sign * got])},
                )
                for name, value, got in (
                    ("FloatTensorThatExceedsMaxReturnsInf", LARGEST, INF),
                    ("FloatTensorThatExceedsMinReturnsZero", LEAST, 0.0),
                )
                for sign in (1, -1)
            ),
            (
                "SingleUnnamedTensorWithSignature",
                ONE_INT,
                {"signature_name": "predict_images", "instances": [[1, 2]]},
                ROW,
                {"default": ([1, 2], [1, 2])},
            ),
            (
                "TensorFromNonNullTerminatedBuffer",
                ONE_INT,
                memoryview(b'{"instances": [[1,2],[3,4],[5,6]]}X')[:-1].tobytes(),
                ROW,
                {"default": ([3, 2], SIX)},
            ),
            (
                "SingleUnnamedTensorBase64Scalars",
                {"default": STRING},
                {"instances": [HELLO, WORLD]},
                ROW,
                {"default": ([2], [b"hello", b"world"])},
            ),
            (
                "SingleUnnamedTensorBase64Lists",
                {"default": STRING},
                {"instances": [[HELLO], [WORLD]]},
                ROW,
                {"default": ([2, 1], [b"hello", b"world"])},
            ),
            (
                "SingleNamedTensorBase64",
                {"default": STRING},
                {"instances": [{"default": [[HELLO], [WORLD]]}]},
                ROW,
                {"default": ([1, 2, 1], [b"hello", b"world"])},
            ),
            (
                "MultipleNamedTensor",
                FOUR,
                {
                    "instances": [
                        {
                            "int_tensor": PAIRS,
                            "str_tensor": ["foo", "bar"],
                            "float_tensor": [1.0, NAN],
                            "dbl_tensor": [NAN],
                        },
                        {
                            "int_tensor": [[7, 8], [9, 0], [1, 2]],
                            "str_tensor": ["baz", "bat"],
                            "float_tensor": [2.0, INF],
                            "dbl_tensor": [2.0],
                        },
                    ]
                },
                ROW,
                {
                    "int_tensor": ([2, 3, 2], [*SIX, 7, 8, 9, 0, 1, 2]),
                    "str_tensor": ([2, 2], [b"foo", b"bar", b"baz", b"bat"]),
                    "float_tensor": ([2, 2], [1, NAN, 2, INF]),
                    "dbl_tensor": ([2, 1], [NAN, 2]),
                },
            ),
            *(
                (
                    "SingleUnnamedTensorColumnarFormat",
                    {"int_tensor": INT},
                    {"inputs": inputs},
                    COLUMNAR,
                    {"int_tensor": ([1, 3, 2], SIX)},
                )
                for inputs in ({"int_tensor": [PAIRS]}, [PAIRS])
            ),
            (
                "MultipleNamedTensorColumnarFormat",
                {**TWO, "bin_tensor": STRING},
                {
                    "inputs": {
                        "int_tensor": [PAIRS],
                        "str_tensor": ["foo", "bar"],
                        "bin_tensor": HELLO,
                    }
                },
                COLUMNAR,
                {
                    "int_tensor": ([1, 3, 2], SIX),
                    "str_tensor": ([2], [b"foo", b"bar"]),
                    "bin_tensor": ([], [b"hello"]),
                },
            ),
        ],
    ),
)
def test_request(dtypes, document, layout, expected):
    got, request = read(document, dtypes)
    assert got == layout
    name = document.get("signature_name", "") if isinstance(document, dict) else ""
    assert request.model_spec.signature_name == name
    assert set(request.inputs) == set(expected)
    for name, (shape, values) in expected.items():
        tensor = request.inputs[name]
        assert tensor.dtype == dtypes[name]
        assert [dim.size for dim in tensor.tensor_shape.dim] == shape
        np.testing.assert_array_equal(list(getattr(tensor, FIELDS[tensor.dtype])), values)


@pytest.mark.parametrize(
    ("dtypes", "document", "text"),
    cases(
        "JsontensorTest",
        [
            *(
                ("SingleUnnamedTensorErrors", ONE_INT, document, text)
                for document, text in (
                    (b"", "document is empty"),
                    ({"signature_name": 5, "instances": PAIRS}, "must be a string value"),
                    (
                        {"instances": [[1, 2]], "inputs": [[1, 2]]},
                        "Not formatted correctly",
                    ),
                    ({"instances": [[1, 2], [3, 4], [5, 6, 7]]}, "Expecting tensor size"),
                    ({"instances": [[1, 2], [3, 4], [[5, 6]]]}, "Expecting shape"),
                    ({"instances": [1, [1]]}, "Expecting shape"),
                    ({"instances": [[1, 2], ["a", "b"]]}, "not of expected type"),
                )
            ),
            *(
                ("MultipleNamedTensorErrors", dtypes, {"instances": rows}, text)
                for dtypes, rows, text in (
                    (
                        TWO,
                        [
                            {"int_tensor": PAIRS, "str_tensor": ["foo", "bar"]},
                            {"int_tensor": [PAIRS], "str_tensor": ["baz", "bat"]},
                        ],
                        "Expecting shape",
                    ),
                    (
                        TWO,
                        [
                            {"int_tensor": [*PAIRS, [7, 8]], "str_tensor": ["foo", "bar"]},
                            {"int_tensor": PAIRS, "str_tensor": ["baz", "bat"]},
                        ],
                        "Expecting tensor size",
                    ),
                    (
                        TWO,
                        [
                            {"int_tensor": PAIRS, "str_tensor": ["foo", "bar"]},
                            [1, 20, 30],
                            {"int_tensor": [PAIRS], "str_tensor": ["baz", "bat"]},
                        ],
                        "Expecting object but got list",
                    ),
                    (
                        {"str_tensor": STRING},
                        [["baz", "bar"], {"str_tensor": ["baz", "bat"]}],
                        "Expecting value/list but got object",
                    ),
                )
            ),
        ],
    ),
)
def test_bad_request(dtypes, document, text):
    with pytest.raises(StatusError, match=re.escape(text)) as caught:
        read(document, dtypes)
    assert caught.value.code.name == "INVALID_ARGUMENT"


def tensors(**by_name):
    """A PredictResponse of tensors given as protocol buffer text."""
    response = predict_pb2.PredictResponse()
    for name, (dtype, shape, values) in by_name.items():
        tensor = tensor_pb2.TensorProto(dtype=dtype)
        tensor.tensor_shape.SetInParent()
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
        getattr(tensor, FIELDS[dtype]).extend(values)
        response.outputs[name].CopyFrom(tensor)
    return response


TWELVE = (INT, [2, 3, 2], [*SIX, 7, 8, 9, 0, 1, 2])
NESTED = [PAIRS, [[7, 8], [9, 0], [1, 2]]]
STRINGS = (STRING, [2, 2], [b"foo", b"bar", b"baz", b"bat"])
BYTES = (STRING, [2, 2], [b"hello", b"world", b"tf", b"serving"])
IN_BASE64 = [[HELLO, WORLD], [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}]]
SEVERAL = {
    "int_tensor": TWELVE,
    "str_tensor": STRINGS,
    "float_tensor": (FLOAT, [2, 1], [1, 2]),
    "double_scalar_tensor": (DOUBLE, [2], [8, 9]),
    "str_tensor_bytes": BYTES,
}


@pytest.mark.parametrize(
    ("outputs", "layout", "expected"),
    cases(
        "JsontensorTest",
        [
            ("FromJsonSingleTensor", {"int_tensor": TWELVE}, ROW, {"predictions": NESTED}),
            ("FromJsonSingleTensor", {"int_tensor": TWELVE}, COLUMNAR, {"outputs": NESTED}),
            *(
                ("FromJsonSingleScalarTensor", {"x": (INT, [5], SIX[:5])}, layout, {key: SIX[:5]})
                for layout, key in ((ROW, "predictions"), (COLUMNAR, "outputs"))
            ),
            (
                "FromJsonSingleBytesTensor",
                {"str_tensor_bytes": BYTES},
                ROW,
                {"predictions": IN_BASE64},
            ),
            (
                "FromJsonMultipleNamedTensors",
                SEVERAL,
                ROW,
                {
                    "predictions": [
                        {
                            "double_scalar_tensor": scalar,
                            "float_tensor": [number],
                            "int_tensor": integers,
                            "str_tensor": text,
                            "str_tensor_bytes": encoded,
                        }
                        for scalar, number, integers, text, encoded in zip(
                            [8.0, 9.0],
                            [1.0, 2.0],
                            NESTED,
                            [["foo", "bar"], ["baz", "bat"]],
                            IN_BASE64,
                            strict=True,
                        )
                    ]
                },
            ),
            (
                "FromJsonMultipleNamedTensors",
                SEVERAL,
                COLUMNAR,
                {
                    "outputs": {
                        "double_scalar_tensor": [8.0, 9.0],
                        "float_tensor": [[1.0], [2.0]],
                        "int_tensor": NESTED,
                        "str_tensor": [["foo", "bar"], ["baz", "bat"]],
                        "str_tensor_bytes": IN_BASE64,
                    }
                },
            ),
            ("FromJsonSingleZeroBatchTensor", {"x": (INT, [0, 2], [])}, ROW, {"predictions": []}),
            (
                "FromJsonMultipleZeroBatchTensors",
                {"str_tensor": (STRING, [0, 1, 2], []), "float_tensor": (FLOAT, [0, 3, 4], [])},
                ROW,
                {"predictions": []},
            ),
        ],
    ),
)
def test_response(outputs, layout, expected):
    written = predict_json(tensors(**outputs), layout)
    assert json.loads(written) == expected
    assert list(json.loads(written)) == list(expected)


def test_FromJsonSingleFloatTensorSixDigitPrecision():
    numbers = [9000000, 999999, 0.5, 0.0003, 0.00003, 555557.5]
    assert texts(predict_json(tensors(x=(FLOAT, [2, 3], numbers)), ROW)) == {
        "predictions": [["9e+06", "999999.0", "0.5"], ["0.0003", "3e-05", "555557.5"]]
    }


def test_FromJsonSingleFloatTensorNonFinite():
    assert texts(predict_json(tensors(x=(FLOAT, [2, 2], [NAN, INF, 3, -INF])), ROW)) == {
        "predictions": [["NaN", "Infinity"], ["3.0", "-Infinity"]]
    }


texts = partial(json.loads, parse_float=str, parse_int=str, parse_constant=str)
"""JSON with its numbers as they are written."""


def complex_pair():
    response = predict_pb2.PredictResponse()
    text = "dtype: DT_COMPLEX64 tensor_shape { dim { size: 2 } } scomplex_val: 1 scomplex_val: 2"
    text_format.Parse(text, response.outputs["tensor"])
    return response


@pytest.mark.parametrize(
    ("response", "text"),
    cases(
        "JsontensorTest",
        [
            ("FromJsonSingleTensorErrors", tensors(), "empty tensor map"),
            ("FromJsonSingleTensorErrors", complex_pair(), "tensor type: complex64"),
            ("FromJsonSingleTensorErrors", tensors(x=(INT, [], [1])), "no shape information"),
            (
                "FromJsonMultipleNamedTensorsErrors",
                tensors(x=(INT, [2, 3], SIX), y=(STRING, [1, 3], [b"foo", b"bar", b"baz"])),
                "inconsistent batch size",
            ),
            (
                "FromJsonMultipleZeroBatchTensorsErrors",
                tensors(x=(INT, [0, 2], []), y=(STRING, [1, 2], [b"foo", b"bar"])),
                "inconsistent batch size",
            ),
        ],
    ),
)
def test_response_that_cannot_be_written(response, text):
    with pytest.raises(StatusError, match=text) as caught:
        predict_json(response, ROW)
    assert caught.value.code.name == "INVALID_ARGUMENT"


REQUESTS = pytest.mark.parametrize(
    "request_class",
    [
        pytest.param(classification_pb2.ClassificationRequest, id="ClassificationRequest"),
        pytest.param(regression_pb2.RegressionRequest, id="RegressionRequest"),
    ],
)


def features(**by_name):
    """A tf.Example as text: bytes, floats and whole numbers by what the first value is."""
    kinds = {str: "bytes_list", float: "float_list", int: "int64_list"}
    text = ""
    for name, values in by_name.items():
        listed = " ".join(f"value: {json.dumps(value)}" for value in values)
        text += f'feature {{ key: "{name}" value {{ {kinds[type(values[0])]} {{ {listed} }} }} }} '
    return f"{{ features {{ {text} }} }}"


@REQUESTS
@pytest.mark.parametrize(
    ("document", "expected"),
    cases(
        "ClassifyRegressRequestTest",
        [
            (
                "RequestNoContext",
                {
                    "examples": [
                        {"names": ["foo", "bar"], "ratings": [8.0, 9.0], "age": 20},
                        {"names": ["baz"], "ratings": 6.0},
                    ]
                },
                "example_list { examples "
                + features(names=["foo", "bar"], ratings=[8.0, 9.0], age=[20])
                + "examples "
                + features(names=["baz"], ratings=[6.0])
                + "}",
            ),
            (
                "RequestWithContextAndSignature",
                {
                    "signature_name": "custom_signture",
                    "context": {"query": "pizza", "location": ["sfo"]},
                    "examples": [
                        {"names": ["foo", "bar"], "ratings": [8.0, 9.0, NAN, INF], "age": 20},
                        {
                            "names": ["baz", HELLO],
                            "ratings": 6.0,
                            "intboolmix": [1, True, False],
                        },
                        {"names": "bar", "ratings": -INF},
                    ],
                },
                "example_list_with_context { context "
                + features(query=["pizza"], location=["sfo"])
                + "examples "
                + features(names=["foo", "bar"], ratings=[8.0, 9.0, NAN, INF], age=[20])
                + "examples "
                + features(names=["baz", "hello"], ratings=[6.0], intboolmix=[1, 1, 0])
                + "examples "
                + features(names=["bar"], ratings=[-INF])
                + "}",
            ),
        ],
    ),
)
def test_examples(request_class, document, expected):
    request = request_class()
    read_examples(document, request)
    assert request.model_spec.signature_name == document.get("signature_name", "")
    assert str(request.input) == str(text_format.Parse(expected, type(request.input)()))


@REQUESTS
@pytest.mark.parametrize(
    ("document", "text"),
    cases(
        "ClassifyRegressRequestTest",
        [
            (
                "JsonErrors",
                {"signature_name": ["hello"], "examples": [{"names": ["foo", "bar"]}]},
                "'signature_name' key must be a string",
            ),
            ("JsonErrors", {"context": [{"names": ["foo", "bar"]}]}, "Example must be JSON object"),
            ("JsonErrors", {"examples": {"names": ["foo", "bar"]}}, "list/array"),
            (
                "JsonErrors",
                {"examples": [[{"names": ["foo", "bar"]}]]},
                "Example must be JSON object",
            ),
            *(
                ("JsonErrors", {"examples": [{"names": values}]}, text)
                for values, text in (
                    ([10, None], "names has element with unexpected JSON type: Null"),
                    ([10, 10.0], "feature: names expecting type: int64"),
                    ([10, {"test": 10}], "names has element with unexpected JSON type: Object"),
                    ([[10], 20], "names has element with unexpected JSON type: Array"),
                    ([20, 18446744073709551603], "Only int64_t is supported"),
                )
            ),
        ],
    ),
)
def test_bad_examples(request_class, document, text):
    with pytest.raises(StatusError, match=re.escape(text)) as caught:
        read_examples(document, request_class())
    assert caught.value.code.name == "INVALID_ARGUMENT"


def classifications(*rows):
    response = classification_pb2.ClassificationResponse()
    for row in rows:
        classes = response.result.classifications.add().classes
        for label, score in row:
            classes.add(label=label, score=score)
    return response


def regressions(*values):
    response = regression_pb2.RegressionResponse()
    for value in values:
        response.result.regressions.add(value=value)
    return response


ROWS = [[["car", 0.2], ["bike", 0.7], ["bus", 0.1]], [["car", 0.7], ["bike", 0.1], ["bus", 0.2]]]


@pytest.mark.parametrize(
    ("write", "response", "expected"),
    cases(
        "ClassifyRegressnResultTest",
        [
            (
                "JsonFromClassificationResult",
                classification_json,
                classifications(*ROWS),
                [[[label, str(score)] for label, score in row] for row in ROWS],
            ),
            (
                "JsonFromRegressionResult",
                regression_json,
                regressions(0.2, 0.9, 1),
                ["0.2", "0.9", "1.0"],
            ),
            (
                "JsonFromRegressionResultWithNonFinite",
                regression_json,
                regressions(0.2, INF, 1, -INF, NAN),
                ["0.2", "Infinity", "1.0", "-Infinity", "NaN"],
            ),
        ],
    ),
)
def test_results(write, response, expected):
    assert texts(write(response)) == {"results": expected}


@pytest.mark.parametrize(
    ("write", "response", "text"),
    cases(
        "ClassifyRegressnResultTest",
        [
            (
                "JsonFromResultErrors",
                classification_json,
                classifications(),
                "empty ClassificationResults",
            ),
            ("JsonFromResultErrors", regression_json, regressions(), "empty RegressionResults"),
        ],
    ),
)
def test_results_that_cannot_be_written(write, response, text):
    with pytest.raises(StatusError, match=text) as caught:
        write(response)
    assert caught.value.code.name == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "text",
    cases("MakeJsonFromTensors", [("StatusError", 'Bad "key"'), ("StatusError", "Bad 'key'")]),
)
def test_error(text):
    assert json.loads(error_json(invalid_argument(text))) == {"error": text}
