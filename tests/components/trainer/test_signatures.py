import numpy as np
import pytest
import tensorflow as tf
from drawing import draw, encode

from components.trainer.config import ModelConfig
from components.trainer.model import build_model
from components.trainer.signatures import ServingModule, export_saved_model
from components.transform.config import TransformConfig
from components.transform.preprocessing import preprocess

CLASSES = ["glioma", "meningioma", "notumor", "pituitary"]
TRANSFORM = TransformConfig(image_size=32)
IMAGES = [encode(draw(1), "JPEG"), encode(draw(2), "PNG"), encode(draw(3, channels=1), "PNG")]


@pytest.fixture(scope="module")
def model():
    config = ModelConfig(weights="random", widths=(2, 3, 4, 5, 6), dense_units=7)
    return build_model(config, image_size=32, class_count=4, weights=None)


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "1"
    export_saved_model(ServingModule(model, TRANSFORM, CLASSES), path)
    return tf.saved_model.load(str(path)).signatures


@pytest.fixture(scope="module")
def expected(model):
    return model(tf.cast(preprocess(tf.constant(IMAGES), TRANSFORM), tf.float32)).numpy()


def _example(encoded: bytes) -> bytes:
    feature = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded])),
        "image/label": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"glioma"])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def test_serving_default_takes_bytes_and_gives_the_contract(served, expected):
    outputs = served["serving_default"](image_bytes=tf.constant(IMAGES))
    assert set(outputs) == {"probabilities", "classes", "label", "confidence"}
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)
    assert outputs["classes"].numpy().tolist() == [[name.encode() for name in CLASSES]] * 3
    best = expected.argmax(axis=1)
    assert outputs["label"].numpy().tolist() == [CLASSES[index].encode() for index in best]
    np.testing.assert_allclose(outputs["confidence"], expected.max(axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("signature", "argument", "output"),
    [("classify", "inputs", "scores"), ("evaluate", "examples", "probabilities")],
)
def test_examples_give_the_same_probabilities(served, expected, signature, argument, output):
    examples = tf.constant([_example(encoded) for encoded in IMAGES])
    outputs = served[signature](**{argument: examples})
    np.testing.assert_allclose(outputs[output], expected, atol=1e-5)


def test_an_empty_batch_is_refused_in_words(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match="holds no image"):
        served["serving_default"](image_bytes=tf.constant([], tf.string))


@pytest.mark.parametrize("bad", [b"", b"x", b"GIF", b"%PDF-1.4", IMAGES[0][:60], IMAGES[1][:60]])
def test_a_bad_image_fails_its_request_and_no_other(served, expected, bad):
    with pytest.raises(tf.errors.InvalidArgumentError):
        served["serving_default"](image_bytes=tf.constant([IMAGES[0], bad]))
    outputs = served["serving_default"](image_bytes=tf.constant(IMAGES))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)


def test_a_file_of_another_kind_is_named_by_its_index(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"by index:\] \[1\]"):
        served["serving_default"](image_bytes=tf.constant([IMAGES[0], b"%PDF-1.4"]))
