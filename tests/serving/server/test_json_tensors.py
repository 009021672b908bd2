"""What JSON becomes, type by type: the value that fits, and the first one that does not."""

import numpy as np
import pytest
import rapidjson
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2, regression_pb2

from serving.server.errors import StatusError
from serving.server.json_document import parse_object, signature_name
from serving.server.json_tensors import fill_example_request, fill_predict_request

INT, FLOAT, STRING = types_pb2.DT_INT32, types_pb2.DT_FLOAT, types_pb2.DT_STRING


def read(text: bytes, **dtypes: int):
    inputs = {name: meta_graph_pb2.TensorInfo(dtype=dtype) for name, dtype in dtypes.items()}
    request = predict_pb2.PredictRequest()
    fill_predict_request(parse_object(text), inputs, request)
    return {name: tf.make_ndarray(tensor).tolist() for name, tensor in request.inputs.items()}


def filled(value, dtype: int, key: str = "inputs"):
    return read(rapidjson.dumps({key: value}).encode(), x=dtype)["x"]


def refusal(text: bytes, **dtypes: int) -> str:
    with pytest.raises(StatusError) as caught:
        read(text, **(dtypes or {"x": INT}))
    assert caught.value.code.name == "INVALID_ARGUMENT"
    return caught.value.message


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [
        (types_pb2.DT_INT32, -(2**31), 2**31 - 1),
        (types_pb2.DT_INT64, -(2**63), 2**63 - 1),
        (types_pb2.DT_UINT32, 0, 2**32 - 1),
        (types_pb2.DT_UINT64, 0, 2**64 - 1),
    ],
)
def test_an_integer_fits_up_to_its_type_s_limits(dtype, least, most):
    assert filled([least, most], dtype) == [least, most]
    for outside in (least - 1, most + 1):
        with pytest.raises(StatusError, match="Type: Number is not of expected type"):
            filled([least, outside], dtype)


@pytest.mark.parametrize("dtype", [types_pb2.DT_INT8, types_pb2.DT_INT16, types_pb2.DT_UINT8])
def test_a_small_integer_is_cut_to_its_bits_as_in_a_tensor_message(dtype):
    numbers = [-129, -1, 127, 300, 70_000]
    expected = np.int32(numbers).astype(tf.as_dtype(dtype).as_numpy_dtype)
    assert filled(numbers, dtype) == expected.tolist()
    with pytest.raises(StatusError, match="Type: Number is not of expected type"):
        filled([2**31], dtype)


@pytest.mark.parametrize(
    ("dtype", "fitting", "other"),
    [
        (INT, 1, 1.5),
        (INT, 1, True),
        (FLOAT, 1.5, "1.5"),
        (types_pb2.DT_DOUBLE, 1.5, None),
        (types_pb2.DT_BOOL, True, 1),
        (STRING, "text", 1),
        (STRING, {"b64": "AA=="}, True),
        (FLOAT, 1.5, {"b64": "AA=="}),
    ],
)
def test_another_type_is_named_with_its_value(dtype, fitting, other):
    assert len(filled([fitting, fitting], dtype)) == 2
    with pytest.raises(StatusError, match="is not of expected type") as caught:
        filled([fitting, other], dtype)
    assert caught.value.code.name == "INVALID_ARGUMENT"


def test_a_type_that_json_cannot_say_is_unimplemented():
    with pytest.raises(StatusError, match=r"Conversion of JSON Value: 1 to type: complex64") as e:
        filled([1], types_pb2.DT_COMPLEX64)
    assert e.value.code.name == "UNIMPLEMENTED"
    assert filled([], types_pb2.DT_COMPLEX64) == []


def test_numbers_beyond_a_float_are_rounded():
    assert filled([2**24 + 1, 2**64 - 1, 1e39, -1e39], FLOAT) == [
        *(2.0**24, 2.0**64),
        *(float("inf"), -float("inf")),
    ]
    assert filled(2**53 + 1, types_pb2.DT_DOUBLE) == 2.0**53


def test_infinity_and_nan_are_numbers():
    numbers = read(b'{"inputs": [NaN, Infinity, -Infinity, Inf]}', x=FLOAT)["x"]
    assert np.isnan(numbers[0])
    assert numbers[1:] == [np.inf, -np.inf, np.inf]


def test_the_first_of_equal_names_counts():
    assert read(b'{"inputs": 1, "inputs": 2}', x=INT) == {"x": 1}
    assert read(b'{"inputs": {"x": 1, "x": 2}}', x=INT) == {"x": 1}
    assert read(b'{"instances": [{"x": 1, "x": 2}]}', x=INT) == {"x": [1]}
    assert signature_name(parse_object(b'{"signature_name": "a", "signature_name": 5}')) == "a"


def test_the_last_of_equal_features_counts():
    request = regression_pb2.RegressionRequest()
    fill_example_request(parse_object(b'{"examples": [{"f": 1, "f": [2, 3]}]}'), request)
    (example,) = request.input.example_list.examples
    assert list(example.features.feature["f"].int64_list.value) == [2, 3]


@pytest.mark.parametrize("behind", [b" x", b"{", b"]", b'{"inputs": 2}', b"\0"])
def test_what_stands_behind_the_document_is_not_read(behind):
    assert read(b'{"inputs": 1}' + behind, x=INT) == {"x": 1}


def test_a_byte_order_mark_is_skipped_and_counted():
    assert read(b'\xef\xbb\xbf{"inputs": 1}', x=INT) == {"x": 1}
    assert refusal(b"\xef\xbb\xbf{").endswith("at offset: 4")


@pytest.mark.parametrize(
    ("text", "words", "offset"),
    [
        (b" ", "The document is empty.", 1),
        (b"[1,]", "Invalid value.", 3),
        (b'{"a":1,}', "Missing a name for object member.", 7),
        (b'{"a" 1}', "Missing a colon after a name of object member.", 5),
        (b'{"a":1 "b":2}', "Missing a comma or } after an object member.", 7),
        (b"[1 2]", "Missing a comma or ] after an array element.", 3),
        (b'{"a":"x', "Missing a closing quotation mark in string.", 7),
        (b'["\\u12g4"]', "Incorrect hex digit after \\u escape in string.", 2),
        (b'["\\q"]', "Invalid escape character in string.", 2),
        (b'["\\ud800"]', "The surrogate pair in string is invalid.", 2),
        (b"[1e400]", "Number too big to be stored in double.", 1),
        (b"[" + b"9" * 5000 + b"]", "Number too big to be stored in double.", 1),
        (b"[1.]", "Miss fraction part in number.", 3),
        (b"[1e]", "Miss exponent in number.", 3),
    ],
)
def test_a_mistake_is_told_with_its_place(text, words, offset):
    assert refusal(text) == f"JSON Parse error: {words} at offset: {offset}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b'{"inputs": "\xff"}', "JSON Parse error: Invalid encoding in string."),
        (b'{"inputs":' + b"[" * 100_000, "JSON Parse error: Nested too deeply."),
        (b'{"inputs":' + b"[" * 500 + b"]" * 500 + b"}", "Cannot make a tensor of 500 dimensions"),
        (b"[1, 2]", "JSON Value: [1, 2] Is not object"),
    ],
)
def test_other_texts_are_refused(text, words):
    assert refusal(text, x=INT) == words


@pytest.mark.parametrize(
    "text",
    [
        b'{"signature_name": [' + b"1.5," * 10_000 + b"1]}",
        b'{"signature_name": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"signature_name": 5, "inputs": "' + "ü".encode() * 10_000 + b'"}',
        b'{"' + b"k" * 10_000 + b'": 1, "signature_name": {}}',
    ],
)
def test_an_error_shows_the_beginning_of_a_value(text):
    with pytest.raises(StatusError, match="'signature_name' key must be a string value") as caught:
        signature_name(parse_object(text))
    said = caught.value.message.removeprefix("JSON Value: ").partition(" not formatted")[0]
    assert said.startswith("{\n    ")
    assert 250 < len(said.encode()) <= 256


def test_a_value_is_shown_as_rapidjson_writes_it():
    assert refusal(b'{"a": [1, {"b": 1.5}, []], "c": "\\u0001/"}') == (
        "Missing 'inputs' or 'instances' key"
    )
    assert refusal(b'[{"a": [1, {"b": 1.5}, []]}, "\\u001f/", NaN]') == (
        'JSON Value: [{\n        "a": [1, {\n                "b": 1.5\n            }, []]\n'
        '    }, "\\u001F/", NaN] Is not object'
    )


def test_the_row_at_fault_is_named():
    with pytest.raises(StatusError, match="Failed to process element: 2 of 'instances' list"):
        filled([1, 2, "three"], INT, key="instances")
    with pytest.raises(
        StatusError, match="process element: 1 key: x of 'instances' list. Error: I"
    ):
        filled([{"x": 1}, {"x": [1]}], INT, key="instances")


@pytest.mark.parametrize(
    ("instances", "text"),
    [
        ('[{"x": 1}]', "process element: 0 of 'instances' list. JSON object: {"),
        ('[{"x": 1, "y": 2, "z": 3}]', "does not have named input: z"),
        ('[{"x": 1, "y": 2}, {"b64": "AA=="}]', "Expecting object but got list at item 1"),
        ("[1]", "instances is a plain list, but expecting list of objects"),
    ],
)
def test_a_row_has_the_signature_s_inputs(instances, text):
    assert text in refusal(f'{{"instances": {instances}}}'.encode(), x=INT, y=INT)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            [[1, 2], 3],
            "JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        ([1, [2]], "Encountered list at unexpected level: 1 expected < 1"),
        ([[1], [2, 3]], "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
    ],
)
def test_ragged_lists_are_refused(value, text):
    with pytest.raises(StatusError) as caught:
        filled(value, INT)
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("text", "content"),
    [("YQ==", b"a"), ("YQ", b"a"), (" Y\nQ = = ", b"a"), ("", b""), ("//4=", b"\xff\xfe")],
)
def test_base64_is_read_as_absl_reads_it(text, content):
    assert filled({"b64": text}, STRING) == content


@pytest.mark.parametrize("text", ["Y", "YQ=", "YQ===", "=", "Y-Q_", "YQ==YQ==", "ü"])
def test_what_is_no_base64_is_refused(text):
    with pytest.raises(StatusError, match="Unable to base64 decode"):
        filled({"b64": text}, STRING)


def test_a_tensor_that_is_not_the_signature_s_is_refused():
    assert "Missing named input: x" in refusal(b'{"inputs": {"y": [1]}}')


@pytest.mark.parametrize(
    "values", [b"[],", b"1,", b"0.5,", b'"",', b"{},", b'{"k":1},', b'{"b64":""},']
)
def test_values_that_would_fill_the_memory_are_not_made(values, monkeypatch):
    made = []
    monkeypatch.setattr("serving.server.json_document._READER", made.append)
    text = b'{"inputs": [' + values * (40_000_000 // len(values)) + b"1]}"
    assert refusal(text) == (
        "The JSON would take more than 256 MB of memory: send fewer values at once, or use gRPC"
    )
    assert not made


@pytest.mark.parametrize("size", [10, 200_000])
def test_small_and_large_texts_are_read_alike(size):
    text = b'{"inputs": [' + b"1," * size + b"2]} behind"
    assert read(text, x=INT)["x"] == [1] * size + [2]
    assert refusal(text.replace(b"2]", b"]")).endswith(f"at offset: {12 + 2 * size}")
