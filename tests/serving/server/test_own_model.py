"""The model that the trainer exports, in toy size, behind the server."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
import tensorflow as tf
from confidence_fits import fit_on_noise
from drawing import draw, encode
from model_server import Server, running_server, strings
from tensorflow_serving.apis import classification_pb2

from components.trainer.config import ConfidenceConfig, ModelConfig
from components.trainer.export.signatures import ServingModule, export_saved_model
from components.trainer.model import build_model
from components.transform.config import TransformConfig

pytestmark = pytest.mark.long

CLASSES = ["glioma", "notumor"]
IMAGES = [encode(draw(seed), kind) for seed, kind in ((1, "JPEG"), (2, "PNG"))]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict]]:
    """The server, and what the SavedModel answers in process."""
    folder = tmp_path_factory.mktemp("own")
    config = ModelConfig(weights="random", widths=(2, 3, 4, 5, 6), dense_units=7)
    model = build_model(config, image_size=32, class_count=len(CLASSES), weights=None)
    confidence = fit_on_noise(model, ConfidenceConfig())
    path = folder / "model" / "1"
    export_saved_model(
        ServingModule(model, TransformConfig(image_size=32), CLASSES, confidence), path
    )
    called = tf.saved_model.load(str(path)).signatures["serving_default"]
    expected = {k: v.numpy() for k, v in called(image_bytes=tf.constant(IMAGES)).items()}
    flags = (f"--model_base_path={folder / 'model'}", "--enable_batching")
    with running_server(folder, *flags) as server:
        yield server, expected


def test_the_server_says_what_the_model_says(served):
    server, expected = served
    outputs = server.predict({"image_bytes": strings(*IMAGES)}).outputs
    assert set(outputs) == set(expected)
    for name, proto in outputs.items():
        value = tf.make_ndarray(proto)
        if value.dtype == object:
            assert value.tolist() == expected[name].tolist()
        else:
            np.testing.assert_allclose(value, expected[name], atol=1e-5)


def test_over_rest(served):
    server, expected = served
    rows = [{"b64": base64.b64encode(image).decode()} for image in IMAGES]
    status, text = server.rest("/v1/models/default:predict", {"instances": rows})
    assert status == 200
    predictions = json.loads(text)["predictions"]
    assert [p["label"].encode() for p in predictions] == expected["label"].tolist()
    np.testing.assert_allclose(
        [p["probabilities"] for p in predictions], expected["probabilities"], atol=1e-5
    )
    status, text = server.rest(
        "/v1/models/default:predict", {"instances": rows, "signature_name": "explain"}
    )
    assert status == 200
    overlay = json.loads(text)["predictions"][0]["overlay_bytes"]["b64"]
    assert base64.b64decode(overlay).startswith(b"\x89PNG")


def test_classify(served):
    server, expected = served
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "default", "classify"
    for image in IMAGES:
        feature = request.input.example_list.examples.add().features.feature["image/encoded"]
        feature.bytes_list.value.append(image)
    rows = server.predictions.Classify(request).result.classifications
    scores = [[c.score for c in row.classes] for row in rows]
    np.testing.assert_allclose(scores, expected["probabilities"], atol=1e-5)
    assert [c.label for c in rows[0].classes] == CLASSES


_SIZE = slice(16, 24)
"""Where a PNG file says its width and height."""


def _as_large_as(side: int) -> bytes:
    """A small PNG file that says it is a huge image, with a checksum that fits."""
    claimed = bytearray(IMAGES[1])
    claimed[_SIZE] = struct.pack(">II", side, side)
    claimed[29:33] = struct.pack(">I", zlib.crc32(claimed[12:29]))
    return bytes(claimed)


@pytest.mark.parametrize(
    "image",
    [
        *(b"", b"no image", b"\xff\xd8\xff", IMAGES[1][:100], IMAGES[0][:-200]),
        b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
        b"\xff\xd8\xff" + bytes(50_000_000),
        _as_large_as(60_000),
    ],
    ids=[
        "empty",
        "text",
        "only a start",
        "cut PNG",
        "cut JPEG",
        "no PNG",
        "50 MB",
        "60,000 pixels",
    ],
)
def test_what_is_no_image_fails_its_own_request(served, image):
    server, _ = served
    with pytest.raises(grpc.RpcError) as caught:
        server.predict({"image_bytes": strings(IMAGES[0], image)})
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert server.predict({"image_bytes": strings(IMAGES[0])}).outputs["label"].string_val


@pytest.mark.parametrize("inputs", [strings(), strings(IMAGES[0])[:, np.newaxis]])
def test_no_image_or_a_wrong_shape_is_refused(served, inputs):
    server, _ = served
    with pytest.raises(grpc.RpcError) as caught:
        server.predict({"image_bytes": inputs})
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
