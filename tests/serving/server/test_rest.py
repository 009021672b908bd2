"""REST: paths, formats and texts."""

import asyncio
import gzip
import json
import socket
import urllib.request

import pytest
from model_server import Server, free_port

from serving.server.flags import parse_flags
from serving.server.listeners import open_rest

pytestmark = pytest.mark.long

HALF = "/v1/models/half:predict"


def answer(server: Server, path, body=None, **kwargs):
    status, text = server.rest(path, body, **kwargs)
    assert status == 200, text
    return json.loads(text)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/half:predict",
        "/v1/models/half/versions/123:predict",
        "/v1/models/half/versions/00123:predict",
        "/V1/Models/half:PREDICT",
        "/v1/models/h%61lf:predict",
        "/v1/models/half:predict?query=counts-for-nothing",
    ],
)
def test_paths(server: Server, path):
    assert answer(server, path, {"instances": [2.0, 3.0, 4.0]}) == {"predictions": [3.0, 3.5, 4.0]}


def test_row_and_columnar_formats_are_written_as_tensorflow_serving_does(server: Server):
    assert server.rest(HALF, {"instances": [2.0, 3.0]})[1] == (
        '{\n    "predictions": [3.0, 3.5\n    ]\n}'
    )
    assert server.rest(HALF, {"inputs": [2.0, 3.0]})[1] == (
        '{\n    "outputs": [\n        3.0,\n        3.5\n    ]\n}'
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"instances": [2.0], "signature_name": "two"},
            {"predictions": [{"y": 3.0, "z": [2.0, -2.0]}]},
        ),
        (
            {"inputs": {"x": [2.0]}, "signature_name": "two"},
            {"outputs": {"y": [3.0], "z": [[2.0, -2.0]]}},
        ),
        ({"instances": [{"x": 2.0}]}, {"predictions": [3.0]}),
        (
            {"instances": [{"x": 1, "k": [1, 2]}, {"x": 2, "k": [3, 4]}], "signature_name": "sum"},
            {"predictions": [4.0, 9.0]},
        ),
        (
            {"inputs": {"x": [1], "k": [[1, 2]]}, "signature_name": "sum"},
            {"outputs": [4.0]},
        ),
    ],
)
def test_signatures_with_one_and_several_inputs_and_outputs(server: Server, body, expected):
    assert answer(server, HALF, body) == expected


def test_base64_goes_in_for_strings_and_comes_out_for_names_in_bytes(server: Server):
    body = {"instances": [{"b64": "//4="}, {"image_bytes": "a b"}, {"image_bytes": {"b64": "YQ"}}]}
    with_keys = {"instances": [{"image_bytes": i} for i in ({"b64": "//4="}, "a b", {"b64": "YQ"})]}
    status, text = server.rest("/v1/models/bytes:predict", body)
    assert (status, "Expecting value/list but got object at item 1" in text) == (400, True)
    rows = answer(server, "/v1/models/bytes:predict", with_keys)["predictions"]
    assert [row["echo_bytes"]["b64"] for row in rows] == ["//4=", "YSBi", "YQ=="]
    assert [row["label"] for row in rows] == ["\ufffd", "a", "a"]
    assert [row["in_distribution"] for row in rows] == [False, False, False]


def test_floats_are_written_as_tensorflow_serving_does(server: Server):
    body = b'{"inputs": [2, NaN, Infinity, -Infinity, 0.1, 1e-7, 9000000, 16777215, 0.123456789]'
    body += b', "signature_name": "any_shape"}'
    text = server.rest("/v1/models/types:predict", body)[1]
    tokens = text.split("[")[1].split("]")[0].split()
    assert "".join(tokens).split(",") == [
        *("2.0", "NaN", "Infinity", "-Infinity", "0.1"),
        *("1e-07", "9e+06", "16777215.0", "0.123456791"),
    ]


def test_every_type(server: Server):
    inputs = {
        "double": [0.1, 1e300],
        "int": [-1, 2**31 - 1],
        "bool": [True, False],
        "byte": [0, 255],
        "string": [["a", "ä"], ["", '"\\\n']],
    }
    assert answer(server, "/v1/models/types:predict", {"inputs": inputs}) == {"outputs": inputs}
    rows = [{name: values[row] for name, values in inputs.items()} for row in range(2)]
    assert answer(server, "/v1/models/types:predict", {"instances": rows}) == {"predictions": rows}


@pytest.mark.parametrize("value", [1.5, [], [[], []], [[[1.0, 2.0]], [[3.0, 4.0]]]])
def test_any_shape(server: Server, value):
    body = {"inputs": value, "signature_name": "any_shape"}
    assert answer(server, "/v1/models/types:predict", body) == {"outputs": value}


def test_half_precision(server: Server):
    body = {"instances": [1.5], "signature_name": "half"}
    assert answer(server, "/v1/models/types:predict", body) == {
        "predictions": [{"brain": 1.5, "half": 1.5}]
    }


@pytest.mark.parametrize("name", ["tf1", "half"])
def test_classify_and_regress(server: Server, name):
    suffix = "_x_to_y" if name == "tf1" else ""
    body = {"examples": [{"x": 2.0}, {"x": [4.0]}]}
    classes = answer(
        server, f"/v1/models/{name}:classify", {**body, "signature_name": f"classify{suffix}"}
    )
    if name == "tf1":
        assert classes == {"results": [[["", 3.0]], [["", 4.0]]]}
    else:
        assert classes["results"][0] == [["plus", 3.0], ["minus", -3.0]]
    values = answer(
        server, f"/v1/models/{name}:regress", {**body, "signature_name": f"regress{suffix}"}
    )
    assert values == {"results": [3.0, 4.0]}


def test_what_examples_have_in_common(server: Server):
    body = {"context": {"x": 2.0}, "examples": [{}, {"x": 4.0}], "signature_name": "regress"}
    assert answer(server, "/v1/models/half:regress", body) == {"results": [3.0, 4.0]}


def test_status(server: Server):
    golden = (
        '{\n "model_version_status": [\n  {\n   "version": "123",\n   "state": "AVAILABLE",\n'
        '   "status": {\n    "error_code": "OK",\n    "error_message": ""\n   }\n  }\n ]\n}\n'
    )
    for path in ("/v1/models/half", "/v1/models/half/versions/123"):
        assert server.rest(path) == (200, golden)


def test_metadata(server: Server):
    body = answer(server, "/v1/models/tf1/metadata")
    assert body["model_spec"] == {"name": "tf1", "signature_name": "", "version": "123"}
    assert list(body["metadata"]) == ["signature_def"]
    signatures = body["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "classify_x_to_y", "regress_x_to_y"}
    shape = {"dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}], "unknown_rank": False}
    assert signatures["serving_default"] == {
        "inputs": {"x": {"dtype": "DT_FLOAT", "name": "x:0", "tensor_shape": shape}},
        "outputs": {"y": {"dtype": "DT_FLOAT", "name": "y:0", "tensor_shape": shape}},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    assert answer(server, "/v1/models/tf1/versions/123/metadata") == body


def test_a_packed_body(server: Server):
    packed = gzip.compress(b'{"instances": [2.0]}')
    headers = {"Content-Encoding": "gzip"}
    assert answer(server, HALF, packed, headers=headers) == {"predictions": [3.0]}
    for broken in (packed[:-4], b"no gzip", b""):
        status, text = server.rest(HALF, broken, method="POST", headers=headers)
        assert status == 400
        assert "error" in json.loads(text)


def test_a_large_body(server: Server):
    body = {"instances": [2.0] * 200_000}
    assert answer(server, HALF, body)["predictions"] == [3.0] * 200_000


def test_small_answers_are_sent_at_once():
    """What waits for the other side's acknowledgement waits for 40 ms, each time."""

    async def scene() -> None:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            told.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        flags, _ = parse_flags(["--model_base_path=/m", f"--rest_api_port={free_port()}"])
        async with await asyncio.start_server(answer, sock=open_rest(flags)):
            with socket.create_connection(("127.0.0.1", flags.rest_api_port)):
                assert await told

    asyncio.run(scene())


def test_answers_are_json(server: Server):
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/half"
    with urllib.request.urlopen(url) as response:
        assert response.headers["Content-Type"] == "application/json"
        assert "server" not in response.headers
