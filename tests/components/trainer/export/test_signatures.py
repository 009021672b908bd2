import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from confidence_fits import fit_on_noise
from drawing import draw, encode
from heads import HEADLESS, head, windowed
from PIL import Image

from components.reasons import CUT_BLACK, FOREIGN, NO_HEAD, UNSURE
from components.trainer.confidence.calibration import Calibration
from components.trainer.confidence.sets import PredictionSets
from components.trainer.config import ConfidenceConfig, ModelConfig
from components.trainer.export.signatures import ServingModule, export_saved_model
from components.trainer.model import build_model
from components.transform.config import TransformConfig
from components.transform.measures import MEASURES
from components.transform.preprocessing import preprocess

pytestmark = pytest.mark.long

CLASSES = ["glioma", "meningioma", "notumor", "pituitary"]
TRANSFORM = TransformConfig(image_size=32)
ANSWER = {
    *("probabilities", "classes", "label", "confidence"),
    *("in_distribution", "ood_score", "refer", "reasons"),
    *("prediction_set", "set_level"),
    *MEASURES,
}
IMAGES = [encode(draw(1), "JPEG"), encode(draw(2), "PNG"), encode(draw(3, channels=1), "PNG")]


@pytest.fixture(scope="module")
def model():
    config = ModelConfig(weights="random", widths=(2, 3, 4, 5, 6), dense_units=7)
    return build_model(config, image_size=32, class_count=4, weights=None)


@pytest.fixture(scope="module")
def confidence(model):
    fitted = fit_on_noise(model, ConfidenceConfig(refer_below=0.3))
    sets = PredictionSets(0.9, (0.2, 0.25, 0.3, 0.0))
    return dataclasses.replace(fitted, calibration=Calibration(2.0), sets=sets)


@pytest.fixture(scope="module")
def exported(model, confidence, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "1"
    export_saved_model(ServingModule(model, TRANSFORM, CLASSES, confidence), path)
    return str(path)


@pytest.fixture(scope="module")
def served(exported):
    return tf.saved_model.load(exported).signatures


@pytest.fixture(scope="module")
def uncalibrated(model):
    return model(tf.cast(preprocess(tf.constant(IMAGES), TRANSFORM), tf.float32)).numpy()


@pytest.fixture(scope="module")
def expected(uncalibrated):
    """Calibrated at a temperature of 2: square roots, made to sum to 1."""
    roots = np.sqrt(uncalibrated)
    return roots / roots.sum(axis=1, keepdims=True)


def _example(encoded: bytes) -> bytes:
    feature = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded])),
        "image/label": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"glioma"])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def test_serving_default_takes_bytes_and_gives_the_contract(served, expected):
    outputs = served["serving_default"](image_bytes=tf.constant(IMAGES))
    assert set(outputs) == ANSWER
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)
    assert outputs["classes"].numpy().tolist() == [[name.encode() for name in CLASSES]] * 3
    best = expected.argmax(axis=1)
    assert outputs["label"].numpy().tolist() == [CLASSES[index].encode() for index in best]
    np.testing.assert_allclose(outputs["confidence"], expected.max(axis=1), atol=1e-5)
    possible = expected >= [0.2, 0.25, 0.3, 0.0]
    possible[np.arange(3), best] = True
    np.testing.assert_array_equal(outputs["prediction_set"], possible)
    np.testing.assert_allclose(outputs["set_level"], [0.9] * 3)
    unsure = expected.max(axis=1) < 0.3
    for row, reasons in enumerate(outputs["reasons"].numpy()):
        assert (UNSURE in reasons.decode()) == unsure[row]
        assert (FOREIGN in reasons.decode()) == (not outputs["in_distribution"][row])
        others = set(reasons.decode().split("; ")) - {FOREIGN, ""}
        assert bool(outputs["refer"][row]) == bool(others)
    np.testing.assert_array_equal(outputs["in_distribution"], outputs["ood_score"].numpy() <= 1)


@pytest.mark.parametrize(
    ("signature", "argument", "output"),
    [("classify", "inputs", "scores"), ("evaluate", "examples", "probabilities")],
)
def test_examples_give_the_same_probabilities(served, expected, signature, argument, output):
    examples = tf.constant([_example(encoded) for encoded in IMAGES])
    outputs = served[signature](**{argument: examples})
    np.testing.assert_allclose(outputs[output], expected, atol=1e-5)


def test_evaluate_gives_what_a_report_needs(served, uncalibrated):
    examples = tf.constant([_example(encoded) for encoded in IMAGES])
    outputs = served["evaluate"](examples=examples)
    answer = served["serving_default"](image_bytes=tf.constant(IMAGES))
    assert set(outputs) == {
        *("probabilities", "uncalibrated"),
        *("in_distribution", "ood_score", "refer", "reasons"),
        *("prediction_set", "set_level"),
        *MEASURES,
    }
    np.testing.assert_allclose(outputs["uncalibrated"], uncalibrated, atol=1e-5)
    for name in ("in_distribution", "ood_score", "refer", "prediction_set", *MEASURES):
        np.testing.assert_allclose(outputs[name], answer[name], rtol=1e-5)
    assert outputs["reasons"].numpy()[:, 0].tolist() == answer["reasons"].numpy().tolist()


def test_the_bulk_inferrer_takes_what_evaluate_gives(exported):
    import apache_beam as beam
    from apache_beam.testing.util import assert_that
    from tfx_bsl.public.beam import RunInference
    from tfx_bsl.public.proto import model_spec_pb2

    saved = model_spec_pb2.SavedModelSpec(model_path=exported, signature_name=["evaluate"])
    spec = model_spec_pb2.InferenceSpecType(saved_model_spec=saved)
    examples = [tf.train.Example.FromString(_example(encode(np.zeros((40, 30, 3), np.uint8))))]

    def check(logs):
        [log] = logs
        reasons = tf.make_ndarray(log.predict_log.response.outputs["reasons"])
        assert NO_HEAD in reasons[0, 0].decode()

    with beam.Pipeline() as pipeline:
        assert_that(pipeline | beam.Create(examples) | RunInference(spec), check)


def test_a_picture_that_is_cut_or_without_a_head_is_referred_with_the_reason(served):
    shown = [windowed(head(), 120, 255), *HEADLESS.values()]
    images = [encode(one if one.ndim == 3 else np.dstack([one] * 3)) for one in shown]
    for signature, argument, sent in (
        ("serving_default", "image_bytes", images),
        ("explain", "image_bytes", images),
        ("evaluate", "examples", [_example(one) for one in images]),
    ):
        outputs = served[signature](**{argument: tf.constant(sent)})
        first, *others = [reasons.decode() for reasons in outputs["reasons"].numpy().ravel()]
        assert CUT_BLACK in first
        assert all(NO_HEAD in reasons for reasons in others)
        assert outputs["refer"].numpy().all()
        assert outputs["cut_black"][0] > 0.4
        for name in MEASURES:
            assert np.isfinite(outputs[name].numpy()).all()


def test_explain_gives_the_answer_and_where_the_network_looked(served):
    framed = np.zeros((100, 80, 3), np.uint8)
    framed[20:60, 10:70] = draw(4, (40, 60))
    images = tf.constant([*IMAGES, encode(framed)])
    outputs = served["explain"](image_bytes=images)
    answer = served["serving_default"](image_bytes=images)
    assert set(outputs) == {*ANSWER, "heatmap", "crop_box", "overlay_bytes"}
    for name in ANSWER - {"classes", "label", "reasons"}:
        np.testing.assert_allclose(outputs[name], answer[name], rtol=1e-4)
    for name in ("label", "reasons"):
        assert outputs[name].numpy().tolist() == answer[name].numpy().tolist()
    heat = outputs["heatmap"].numpy()
    assert heat.shape == (4, 32, 32)
    assert heat.min() >= 0
    assert heat.max() <= 1
    top, left, bottom, right = outputs["crop_box"].numpy()[3]
    assert (bottom - top) * 100 == pytest.approx((right - left) * 80, rel=1e-3)  # a square
    assert (top + bottom) / 2 == pytest.approx(0.4, abs=0.02)
    assert (left + right) / 2 == pytest.approx(0.5, abs=0.02)
    assert 48 <= (right - left) * 80 <= 60  # the drawn head is 48 pixels wide
    for overlay in outputs["overlay_bytes"].numpy():
        with Image.open(io.BytesIO(overlay)) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))


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


def test_a_session_gives_the_same_as_tensorflow_serving_runs_the_graph_in_one(served, exported):
    for name in ("serving_default", "explain"):
        expected = served[name](image_bytes=tf.constant(IMAGES))["probabilities"].numpy()
        with tf.compat.v1.Session(graph=tf.Graph()) as session:
            loaded = tf.compat.v1.saved_model.load(session, ["serve"], exported)
            signature = loaded.signature_def[name]
            answered = session.run(
                signature.outputs["probabilities"].name,
                {signature.inputs["image_bytes"].name: IMAGES},
            )
        np.testing.assert_allclose(answered, expected, atol=1e-5)


def test_the_graph_holds_nothing_that_tensorflow_serving_lacks(exported):
    import tensorflow_ops

    from serving.tf_serving.config import DeploymentConfig

    assert DeploymentConfig(models=Path("/unused")).image.endswith(f":{tensorflow_ops.VERSION}")
    known, used = tensorflow_ops.known(), tensorflow_ops.used(exported)
    assert len(used) > 50
    assert {"Conv2D", "ParseExampleV2"} <= set(used)
    assert set(used) - set(known) == set()
    assert {name: used[name] - known[name] for name in used if used[name] - known[name]} == {}
