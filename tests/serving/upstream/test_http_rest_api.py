"""`http_rest_api_util_test.cc` and `http_rest_api_handler_test.cc` of TensorFlow Serving."""

import json
import urllib.request

import pytest
from model_server import HANGS

pytestmark = pytest.mark.long

RESERVED = "%21%23%24%25%26%27%28%29%2A%2B%2C%2F%3A%3B%3D%3F%40%5B%5D"
DECODED = "!#$%&'()*+,/:;=?@[]"
UINT64 = 2**64 - 1
LABEL = "Version_Label"
MALFORMED = "Malformed request"


def error(server, path, body=None, method=None):
    """The status and the text of a request that fails."""
    status, text = server.rest(path, body, method)
    return status, json.loads(text)["error"]


class TestParseModelInfo:
    """What a path names is seen in the error that it is not there."""

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            (f"modelname{RESERVED}", f"any versions of model modelname{DECODED}"),
            ("modelname/versions/99", "version 99 of model modelname"),
            ("modelname/labels/latest", "label: latest"),
            (f"modelname/labels/latest{RESERVED}", f"label: latest{DECODED}"),
            ("modelname/labels/latest/metadata", "label: latest"),
            (
                f"modelname{RESERVED}/labels/latest{RESERVED}/metadata",
                f"label: latest{DECODED}",
            ),
        ],
    )
    def test_TestParseModelInfoForGet(self, server, path, said):
        status, text = error(server, f"/v1/models/{path}")
        assert status == (400 if "labels" in path else 404)
        assert said in text

    @pytest.mark.parametrize(
        "path", ["/v1/foo", "/v1/models/foo:predict", "/v1/models/foo/version/50:predict"]
    )
    def test_TestParseModelInfoForGet_malformed(self, server, path):
        assert error(server, path) == (400, f"{MALFORMED}: GET {path}")

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            (f"modelname{RESERVED}:predict", f"Latest(modelname{DECODED})"),
            ("modelname/versions/99:predict", "Specific(modelname, 99)"),
            ("modelname/labels/latest:predict", "label: latest"),
            (f"modelname/labels/latest{RESERVED}:predict", f"label: latest{DECODED}"),
            (f"modelname{RESERVED}/labels/latest{RESERVED}:predict", f"label: latest{DECODED}"),
        ],
    )
    def test_TestParseModelInfoForPost(self, server, path, said):
        status, text = error(server, f"/v1/models/{path}", {"instances": [1]})
        assert status == (400 if "labels" in path else 404)
        assert said in text

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/foo",
            "/v1/models",
            "/v1/models/foo/version/50:predict",
            "/v1/models/foo/versions/string:predict",
            "/v1/models/foo/metadata",
            "/v1/models/foo/versions/50/labels/some_label:regress",
        ],
    )
    def test_TestParseModelInfoForPost_malformed(self, server, path):
        assert error(server, path, {}) == (400, f"{MALFORMED}: POST {path}")

    def test_TestParseModelInfoForPost_version(self, server):
        status, text = error(server, f"/v1/models/foo/versions/{UINT64}:predict", {})
        assert (status, "Failed to convert version" in text) == (400, True)


def answer(server, path, body=None):
    """The JSON of a request that succeeds; its only header of upstream's says that it is JSON."""
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/{path}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data, HANGS) as response:
        assert response.headers["Content-Type"] == "application/json"
        return json.load(response)


def test_kPathRegex(server):
    assert server.rest("/v1/models")[0] == 400
    for path in ("/statuspage", "/index"):
        assert server.rest(path)[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/v1/foo", MALFORMED),
        ("POST", "/v1/foo", MALFORMED),
        ("GET", "/v1/models", "Missing model name"),
        ("GET", "/v1/models/debug/model_name", MALFORMED),
        ("POST", "/v1/models", MALFORMED),
        ("GET", "/v1/models/foo:predict", MALFORMED),
        ("GET", "/v1/models/foo/version/50:predict", MALFORMED),
        ("POST", "/v1/models/foo/version/50:regress", MALFORMED),
        ("POST", "/v1/models/foo/versions/HELLO:regress", MALFORMED),
        ("POST", f"/v1/models/foo/versions/{UINT64}:regress", "Failed to convert version"),
        ("POST", "/v1/models/foo/metadata", MALFORMED),
        ("POST", "/v1/models/foo/label/some_label:regress", MALFORMED),
        ("POST", "/v1/models/foo/versions/50/labels/some_label:regress", MALFORMED),
        ("POST", "/v1/models/foo/versions/some_label:regress", MALFORMED),
    ],
)
def test_UnsupportedApiCalls(server, method, path, said):
    status, text = error(server, path, b"" if method == "POST" else None, method)
    assert (status, said in text) == (400, True)


@pytest.mark.parametrize("path", ["foo", "foo/versions/50", "default99", "default/versions/99"])
def test_PredictModelNameVersionErrors(server, path):
    assert error(server, f"/v1/models/{path}:predict", {"instances": [1]})[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("default", b"", "JSON Parse error: The document is empty"),
        ("default", b"instances = [1, 2]", "JSON Parse error: Invalid value"),
        ("default", {"instances": ["x", "y"]}, "not of expected type: float"),
        (
            "default/labels/Version_Nonexistent",
            {"instances": ["x", "y"]},
            "Unrecognized servable version label",
        ),
        ("default", {"signature_name": 100}, "'signature_name' key must be a string value."),
    ],
)
def test_PredictRequestErrors(server, path, body, said):
    status, text = error(server, f"/v1/models/{path}:predict", body)
    assert (status, said in text) == (400, True)


@pytest.mark.parametrize(
    ("version", "body", "expected"),
    [
        ("", {"instances": [[1.0, 2.0], [3.0, 4.0]]}, {"predictions": [[2.5, 3], [3.5, 4]]}),
        ("/versions/123", {"instances": [1.0, 2.0]}, {"predictions": [2.5, 3]}),
        (f"/labels/{LABEL}", {"instances": [1.0, 2.0]}, {"predictions": [2.5, 3]}),
        (
            "/versions/123",
            {"signature_name": "serving_default", "instances": [3.0, 4.0]},
            {"predictions": [3.5, 4]},
        ),
        (
            "/versions/123",
            {"signature_name": "serving_default", "inputs": [3.0, 4.0]},
            {"outputs": [3.5, 4]},
        ),
    ],
)
def test_Predict(server, version, body, expected):
    assert answer(server, f"default{version}:predict", body) == expected


@pytest.mark.parametrize("version", ["", "/versions/123", f"/labels/{LABEL}"])
def test_Regress(server, version):
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}
    assert answer(server, f"default{version}:regress", body) == {"results": [42]}


@pytest.mark.parametrize(("version", "x", "score"), [("", 20.0, 12), (f"/labels/{LABEL}", 10.0, 7)])
def test_Classify(server, version, x, score):
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": x}]}
    assert answer(server, f"default{version}:classify", body) == {"results": [[["", score]]]}


@pytest.mark.parametrize("version", ["", "/versions/123", f"/labels/{LABEL}"])
def test_GetStatus(server, version):
    assert answer(server, f"default{version}") == {
        "model_version_status": [
            {
                "version": "123",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def test_GetModelMetadata(server, half_plus_two_metadata):
    assert answer(server, "default/metadata") == half_plus_two_metadata
