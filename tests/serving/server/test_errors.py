"""The error table: each failure's gRPC code and text, and its HTTP status and body."""

import json

import grpc
import numpy as np
import pytest
from model_server import Server, spec
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from serving.server.errors import HTTP_STATUS, Code, StatusError

pytestmark = pytest.mark.long

X = {"x": np.float32([2.0])}
ROWS = {"instances": [2.0]}


@pytest.mark.parametrize(
    ("ask", "code", "text"),
    [
        (lambda s: s.predict(X, "foo"), "NOT_FOUND", "Servable not found for request: Latest(foo)"),
        (
            lambda s: s.predict(X, "half", version=50),
            "NOT_FOUND",
            "Servable not found for request: Specific(half, 50)",
        ),
        (lambda s: s.status("foo"), "NOT_FOUND", "Could not find any versions of model foo"),
        (
            lambda s: s.status("half", version=9),
            "NOT_FOUND",
            "Could not find version 9 of model half",
        ),
        (
            lambda s: s.predict(X, "half", label="x"),
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: x",
        ),
        (
            lambda s: s.status("half", label="x"),
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: x",
        ),
        (
            lambda s: s.predict(X, "half", "x"),
            "FAILED_PRECONDITION",
            'Serving signature key "x" not found.',
        ),
        (
            lambda s: s.predict({}, "half"),
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}."
            " Missing but required: {x}.",
        ),
        (
            lambda s: s.predict({**X, "b": [1]}, "half"),
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1 len({b,x}) != len({x}). Sent extra: {b}."
            " Missing but required: {}.",
        ),
        (
            lambda s: s.predict({"b": [1.0]}, "half"),
            "INVALID_ARGUMENT",
            "Signature input alias: x(feed name: serving_default_x:0) not found in request and no"
            " default value provided. Inputs expected to be in the request {b}, or default input"
            " alias set: ",
        ),
        (
            lambda s: s.predict({"x": ["a"]}, "half"),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float but string is provided",
        ),
        (lambda s: s.predict({"x": [1]}, "half"), "INVALID_ARGUMENT", "to be float but int32"),
        (
            lambda s: s.predict(X, "half", outputs=["q"]),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: q Outputs expected to be in the set {y}.",
        ),
        (
            lambda s: s.predict(X, "half", outputs=["y", "y"]),
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: y",
        ),
        (
            lambda s: s.predict({"keras_tensor": np.float32([[1, 2]])}, "half"),
            "INVALID_ARGUMENT",
            "not found in request",
        ),
        (
            lambda s: s.predict({"image_bytes": [b"a", b"bad"]}, "bytes"),
            "INVALID_ARGUMENT",
            "There is a bad image in this request.",
        ),
        (lambda s: s.predict(X, ""), "INVALID_ARGUMENT", "no name specified"),
        (
            lambda s: s.predictions.Predict(predict_pb2.PredictRequest()),
            "INVALID_ARGUMENT",
            "Missing ModelSpec",
        ),
        (
            lambda s: s.models.GetModelStatus(get_model_status_pb2.GetModelStatusRequest()),
            "INVALID_ARGUMENT",
            "Missing ModelSpec",
        ),
        (
            lambda s: s.predictions.GetModelMetadata(
                get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec("half"))
            ),
            "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            lambda s: s.predictions.GetModelMetadata(
                get_model_metadata_pb2.GetModelMetadataRequest(
                    model_spec=spec("half"), metadata_field=["weights"]
                )
            ),
            "INVALID_ARGUMENT",
            "Metadata field weights is not supported",
        ),
    ],
)
def test_grpc(server: Server, ask, code, text):
    with pytest.raises(grpc.RpcError) as caught:
        ask(server)
    assert caught.value.code().name == code
    assert text in caught.value.details()


def test_a_shape_that_the_graph_cannot_take(server: Server):
    with pytest.raises(grpc.RpcError) as caught:
        server.predict({"x": np.float32([1]), "k": np.int64([1])}, "half", "sum")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


M = "/v1/models"


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        (f"{M}/foo:predict", ROWS, 404, "Servable not found for request: Latest(foo)"),
        (
            f"{M}/half/versions/50:predict",
            ROWS,
            404,
            "Servable not found for request: Specific(half, 50)",
        ),
        (f"{M}/foo", None, 404, "Could not find any versions of model foo"),
        (f"{M}/half/versions/9", None, 404, "Could not find version 9 of model half"),
        (f"{M}/foo/metadata", None, 404, "Servable not found for request: Latest(foo)"),
        (f"{M}/half/labels/x:predict", ROWS, 400, "Unrecognized servable version label: x"),
        (f"{M}/half/labels/x", None, 400, "Unrecognized servable version label: x"),
        (
            f"{M}/half:predict",
            {**ROWS, "signature_name": "x"},
            400,
            'Serving signature name: "x" not found in signature def',
        ),
        (f"{M}/half:predict", {**ROWS, "signature_name": 1}, 400, "must be a string value"),
        (
            f"{M}/half:predict",
            {"instances": ["a"]},
            400,
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value:"
            ' "a" Type: String is not of expected type: float',
        ),
        (
            f"{M}/half:predict",
            {"inputs": [True]},
            400,
            "JSON Value: true Type: True is not of expected type: float",
        ),
        (f"{M}/half:predict", {"inputs": [None]}, 400, "Type: Null is not of expected type"),
        (f"{M}/half:predict", {"inputs": {"x": [{"a": 1}]}}, 400, "Type: Object is not of"),
        (
            f"{M}/half:predict",
            {"instances": [[1.0], [2.0, 3.0]]},
            400,
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT:"
            " Expecting tensor size: 1 but got: 2",
        ),
        (
            f"{M}/half:predict",
            {"instances": [[[1]], [1]]},
            400,
            "Expecting shape [1,1] but got: [1]",
        ),
        (
            f"{M}/half:predict",
            {"inputs": [[1, 2], [3]]},
            400,
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (f"{M}/half:predict", {"inputs": [1, [2]]}, 400, "Encountered list at unexpected level: 1"),
        (
            f"{M}/half:predict",
            {"inputs": [[1], 2]},
            400,
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (f"{M}/half:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        (f"{M}/half:predict", {"instances": []}, 400, "No values in 'instances' array"),
        (f"{M}/half:predict", {"instances": 1}, 400, "to be an list/array"),
        (f"{M}/half:predict", {"instances": [1], "inputs": [1]}, 400, "expecting only one of"),
        (
            f"{M}/half:predict",
            {"inputs": {"y": [1]}},
            400,
            "Missing named input: x in 'inputs' object.",
        ),
        (
            f"{M}/half:predict",
            {"instances": [{"x": 1, "y": 2}]},
            400,
            "Failed to process element: 0 key: y of 'instances' list.",
        ),
        (
            f"{M}/half:predict",
            {"instances": [{"x": 1}], "signature_name": "sum"},
            400,
            "keys must be equal to: k,x",
        ),
        (
            f"{M}/half:predict",
            {"instances": [1], "signature_name": "sum"},
            400,
            "instances is a plain list, but expecting list of objects",
        ),
        (f"{M}/bytes:predict", {"instances": [{"b64": "%"}]}, 400, "Unable to base64 decode"),
        (f"{M}/bytes:predict", {"inputs": {"image_bytes": [{"b64": 1}]}}, 400, "base64 data"),
        (f"{M}/bytes:predict", {"instances": ["bad"]}, 400, "There is a bad image"),
        (f"{M}/half:classify", {"signature_name": "classify"}, 400, "key 'examples' is expected"),
        (f"{M}/half:classify", {"examples": 1}, 400, "value to be an list/array"),
        (f"{M}/half:classify", {"examples": []}, 400, "value is an empty array"),
        (f"{M}/half:classify", {"examples": [1]}, 400, "must be JSON object but got JSON Number"),
        (f"{M}/half:regress", {"examples": [{"x": None}]}, 400, "unexpected JSON type: Null"),
        (f"{M}/half:regress", {"examples": [{"x": [1, "a"]}]}, 400, "expecting type: int64"),
        (
            f"{M}/half:regress",
            {"examples": [{"x": 2**63}]},
            400,
            "has uint64_t element. Only int64_t is supported.",
        ),
        (f"{M}/half:predict", b"", 400, "JSON Parse error: The document is empty"),
        (
            f"{M}/half:predict",
            b"{",
            400,
            "JSON Parse error: Missing a name for object member. at offset: 1",
        ),
        (
            f"{M}/half:predict",
            b'{"instances": [1 2]}',
            400,
            "after an array element. at offset: 17",
        ),
        (
            f"{M}/half:predict",
            b'{"instances": [x]}',
            400,
            "JSON Parse error: Invalid value. at offset: 15",
        ),
        (f"{M}/half:predict", b'"\xff"', 400, "JSON Parse error: Invalid encoding in string."),
        (f"{M}/half:predict", b"[1]", 400, "Is not object"),
        (f"{M}/half:predict", b"[" * 200_000, 400, "JSON Parse error"),
        (f"{M}/half:predict", b'{"inputs": ' + b"9" * 5000 + b"}", 400, "Number too big"),
        (f"{M}/half:predict", b'{"inputs": 1e400}', 400, "Number too big"),
        (
            f"{M}/half:predict",
            b"\xef\xbb\xbf" * 2 + b"{}",
            400,
            "JSON Parse error: Invalid value. at offset: 3",
        ),
        (f"{M}/half:predict", rb'{"inputs": "\ud800"}', 400, "surrogate pair"),
        (f"{M}/half:nothing", ROWS, 400, "Malformed request: POST /v1/models/half:nothing"),
        (f"{M}/half", ROWS, 400, "Malformed request: POST /v1/models/half"),
        (f"{M}/half:predict", None, 400, "Malformed request: GET /v1/models/half:predict"),
        (
            f"{M}/half:predict",
            b'{"inputs": {"x": ' + b"[" * 70 + b"1" + b"]" * 70 + b"}}",
            400,
            "70 dimensions",
        ),
        (f"{M}/half/versions/x", None, 400, "Malformed request"),
        (
            f"{M}/half/versions/{2**63}",
            None,
            400,
            f"Failed to convert version: {2**63} to numeric.",
        ),
        (f"{M}/half/versions/{'9' * 5000}", None, 400, "Failed to convert version: 999"),
        (f"{M}/%ff", None, 400, "Failed to decode model name"),
        ("/v1/models", None, 400, "Missing model name in request."),
        ("/v1/", None, 400, "Malformed request: GET /v1/"),
    ],
)
def test_rest(server: Server, path, body, status, text):
    method = "POST" if body is not None else "GET"
    got, answer = server.rest(path, body, method)
    assert (got, list(json.loads(answer))) == (status, ["error"])
    assert text in json.loads(answer)["error"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_malformed(server: Server, method):
    status, text = server.rest(f"{M}/half", b"{}", method)
    assert (status, f"Malformed request: {method} /v1/models/half" in text) == (400, True)


@pytest.mark.parametrize("path", ["/", "/v2/models/half", "/v1", "/metrics", "/%2e%2e/etc/passwd"])
def test_outside_of_v1_there_is_nothing(server: Server, path):
    assert server.rest(path) == (404, "Not Found")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.DEADLINE_EXCEEDED, 504),
        (Code.RESOURCE_EXHAUSTED, 429),
        (Code.UNIMPLEMENTED, 501),
        (Code.ABORTED, 409),
        (Code.UNAVAILABLE, 503),
        (Code.INTERNAL, 500),
    ],
)
def test_the_status_of_other_codes(code, status):
    assert StatusError(code, "").http_status == HTTP_STATUS.get(code, 500) == status
