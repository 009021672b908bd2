"""Predictions' function, run as the launcher does, on models that are a few lines long."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from artifacts import artifact
from drawing import draw, encode
from tfx.orchestration import metadata
from tfx.orchestration.portable import data_types
from tfx.types import artifact_utils, standard_artifacts

from components import exported_model
from components.driver import FILES_THERE
from components.errors import PipelineError
from components.evaluate.artifacts import PredictionsFile
from components.evaluate.predictions import component, foreign
from components.evaluate.predictions.component import Predictions
from components.evaluate.predictions.driver import PredictionsDriver
from components.evaluate.predictions.foreign import foreign_images
from components.evaluate.predictions.slices import describe, intensity
from components.evaluate.predictions.table import PredictionTable
from components.ingest.artifacts import SplitAssignment
from components.ingest.config import DuplicatesConfig
from components.ingest.history import HISTORY_FILE, History
from components.ingest.sides import SIDES_FILE, Sides
from imaging.signature import SIGNATURE_SHAPE

pytestmark = pytest.mark.long

CLASSES = ("glioma", "notumor")
FOREIGN = 6
"""Images of each kind, of which the pipeline asks about 24."""


class _Brightness(tf.Module):
    """Takes bright images for gliomas; says what is bright and whether it is sure of it."""

    def __init__(self, *, sharpness: float, complete: bool) -> None:
        super().__init__()
        # A variable, as real models have them: it must be alive when the signature is called.
        self._sharpness = tf.Variable(sharpness)
        self._complete = complete

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        encoded = tf.io.parse_example(
            examples, {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        )["image/encoded"]
        mean = tf.map_fn(
            lambda one: tf.reduce_mean(tf.cast(tf.io.decode_image(one, 3), tf.float32)) / 255,
            encoded,
            fn_output_signature=tf.float32,
        )
        glioma = tf.sigmoid(self._sharpness * (mean - 0.3))
        outputs = {"probabilities": tf.stack([glioma, 1 - glioma], axis=1)}
        if self._complete:
            outputs |= {
                "uncalibrated": tf.stack([mean, 1 - mean], axis=1),
                "in_distribution": mean < 0.5,
                "ood_score": mean,
                "refer": tf.abs(glioma - 0.5) < 0.1,
                "reasons": tf.where(mean < 0.5, "", "too bright")[:, tf.newaxis],
                "prediction_set": tf.stack([glioma > 0.2, glioma < 0.8], axis=1),
                "set_level": tf.fill(tf.shape(mean), 0.9),
            }
        return outputs


@cache
def _saved(sharpness: float, complete: bool) -> "tempfile.TemporaryDirectory[str]":
    """A SavedModel, made once; it is deleted when the process ends."""
    folder = tempfile.TemporaryDirectory()
    module = _Brightness(sharpness=sharpness, complete=complete)
    tf.saved_model.save(module, folder.name, signatures={"evaluate": module.evaluate})
    return folder


def _model(
    folder: Path, classes=CLASSES, *, sharpness: float = 4.0, complete: bool = False
) -> Path:
    """A model; one that is not complete is asked about no foreign images."""
    saved = folder / "Format-Serving"
    shutil.copytree(_saved(sharpness, complete).name, saved)
    (saved / "assets.extra").mkdir()
    (saved / "assets.extra" / "metadata.json").write_text(json.dumps({"classes": classes}))
    return folder


def _example(index: int, *, labelled: bool = True) -> bytes:
    values = {
        "image/encoded": encode((draw(index) * (0.3 if index % 2 else 1)).astype(np.uint8)),
        "image/sha256": b"%064x" % index,
        "image/group": b"group-%d" % (index // 2),
        "image/seen": index % 3 == 0,
        "image/source": b"hospital",
        "image/source_format": b"PNG",
        "image/height": 48,
        "image/width": 600,
        "image/border": 0.1,
        "image/mean": float(index),
    }
    if labelled:
        values |= {"image/label": CLASSES[index % 2].encode(), "image/class": index % 2}

    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))

    features = tf.train.Features(feature={name: feature(value) for name, value in values.items()})
    return tf.train.Example(features=features).SerializeToString()


def _examples(folder: Path, count: int, order: Sequence[int] | None = None, **settings) -> Path:
    split = folder / "Split-test"
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for index in range(count) if order is None else order:
            writer.write(_example(index, **settings))
    return folder


def _predict(
    out: Path,
    examples: Path,
    model: Path,
    baseline: Path | None = None,
    policy: str = "leak_free",
    **splits: Path,
) -> PredictionTable:
    source = artifact(standard_artifacts.Examples, examples)
    source.split_names = artifact_utils.encode_split_names(["train", "test"])
    made = artifact(PredictionsFile, out / "predictions")
    inputs = {"examples": source, "model": artifact(standard_artifacts.Model, model, 7)}
    if baseline is not None:
        inputs["baseline_model"] = artifact(standard_artifacts.Model, baseline, 3)
    for name, folder in {"splits": out / "splits", **splits}.items():
        record = artifact(SplitAssignment, folder)
        record.set_string_custom_property("policy", policy)
        inputs[name] = record if name == "splits" else [record]
    duplicates = DuplicatesConfig().model_dump_json()
    Predictions.test_call(**inputs, predictions=made, duplicates=duplicates, code="")
    found = PredictionTable.read(out / "predictions")
    assert made.get_int_custom_property("images") == len(found)
    assert made.get_int_custom_property("model_id") == 7
    return found


@pytest.fixture(scope="module", autouse=True)
def _few_foreign_images():
    with pytest.MonkeyPatch.context() as patch:
        for module in (component, foreign):
            patch.setattr(module, "EACH", FOREIGN)
        yield


@pytest.fixture(scope="module")
def answered(tmp_path_factory) -> PredictionTable:
    folder = tmp_path_factory.mktemp("answered")
    model = _model(folder / "m", complete=True)
    return _predict(folder, _examples(folder / "e", 37), model)


def test_every_test_image_is_answered_once(answered):
    found = answered
    assert len(found) == 37  # more than two batches, and not a whole number of them
    assert found.classes == CLASSES
    np.testing.assert_array_equal(found.labels, np.arange(37) % 2)
    np.testing.assert_array_equal(found.sha256, [f"{index:064x}" for index in range(37)])
    assert len(set(found.groups)) == 19
    assert (found.probabilities.argmax(1) == found.labels).all()
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(found.uncalibrated[:, 0], found.ood_score)
    glioma = found.probabilities[:, 0]
    np.testing.assert_array_equal(
        found.prediction_set, np.stack([glioma > 0.2, glioma < 0.8], axis=1)
    )
    np.testing.assert_allclose(found.set_level, 0.9)
    assert found.header.missing == ()
    assert found.baseline is None
    assert set(found.slices["seen"]) == {"seen", "novel"}
    assert set(found.slices["size"]) == {"over 512 px"}
    assert set(found.slices["border"]) == {"narrow"}
    assert set(found.slices["plane"]) == {""}
    assert set(found.slices["intensity"]) == {"dark", "medium", "bright"}


def test_no_more_than_a_batch_of_images_is_held(tmp_path, monkeypatch):
    sizes = []
    ask = exported_model.ExportedModel.__call__

    def counted(self, examples):
        sizes.append(len(examples))
        return ask(self, examples)

    monkeypatch.setattr(exported_model.ExportedModel, "__call__", counted)
    _predict(tmp_path, _examples(tmp_path / "e", 34), _model(tmp_path / "m"))
    assert sizes == [16, 16, 2]


def test_foreign_images_are_asked_about_too(answered):
    found = answered.foreign
    kinds, counts = np.unique(found.kinds, return_counts=True)
    assert set(kinds) == {"photograph", "noise", "text", "inverted MRI", "shuffled MRI"}
    assert set(counts) == {FOREIGN}
    np.testing.assert_array_equal(found.in_distribution, found.ood_score < 0.5)
    wanted = np.where(answered.in_distribution, "", "too bright")
    np.testing.assert_array_equal(answered.reasons, wanted)


def test_foreign_images_are_made_of_all_classes_and_are_the_same_in_any_order(tmp_path):
    by_class = sorted(range(20), key=lambda index: index % 2)
    scores = []
    for name, order in (("a", by_class), ("b", by_class[::-1])):
        examples = _examples(tmp_path / name / "e", 20, order)
        model = _model(tmp_path / name / "m", complete=True)
        found = _predict(tmp_path / name, examples, model).foreign
        scores.append(found.ood_score[found.kinds == "inverted MRI"])
    dark = scores[0] > 0.85  # inverted, the darker class is the brighter one
    assert dark.sum() == FOREIGN / 2
    np.testing.assert_array_equal(*scores)


def test_foreign_images_are_the_same_every_time():
    encoded = [encode(draw(index)) for index in range(3)]
    made = list(foreign_images(encoded))
    assert made == list(foreign_images(encoded))
    assert len(made) == 3 * FOREIGN + 2 * len(encoded)


def test_a_graph_without_the_newer_outputs_is_asked_all_the_same(tmp_path):
    found = _predict(tmp_path, _examples(tmp_path / "e", 5), _model(tmp_path / "m"))
    assert found.header.missing == (
        *("uncalibrated", "in_distribution", "ood_score", "refer", "reasons"),
        *("prediction_set", "set_level"),
    )
    assert found.ood_score is None
    assert found.reasons is None
    assert found.foreign is None


def test_the_baseline_answers_for_the_same_images(tmp_path):
    baseline = _model(tmp_path / "b", sharpness=-4.0)
    found = _predict(tmp_path, _examples(tmp_path / "e", 20), _model(tmp_path / "m"), baseline)
    assert found.header.baseline_id == 3
    np.testing.assert_allclose(found.baseline, 1 - found.probabilities, atol=1e-6)


def _splits(folder: Path, split: str, *pictures: str) -> Path:
    """What ingest writes of images, two of which always form a group."""
    count = len(pictures)
    folder.mkdir()
    groups = tuple(f"group-{index // 2}" for index in range(count))
    Sides(pictures, ((),) * count, groups, (split,) * count).write(folder)
    seeds = [int.from_bytes(picture.encode(), "big") for picture in pictures]
    noise = [np.random.default_rng(seed).integers(-99, 99, SIGNATURE_SHAPE) for seed in seeds]
    signatures = np.array(noise, np.int8)
    History(pictures, ((),) * count, (split,) * count, signatures).write(folder)
    return folder


def test_images_that_a_model_was_trained_on_are_marked_with_their_groups(tmp_path):
    found = _predict(
        tmp_path,
        _examples(tmp_path / "e", 6),
        _model(tmp_path / "m"),
        _model(tmp_path / "b"),
        splits=_splits(tmp_path / "tested", "test", "a", "b", "c", "d", "e", "f"),
        model_splits=_splits(tmp_path / "own", "train", "e", "x"),
        baseline_splits=_splits(tmp_path / "other", "eval", "y", "b"),
    )
    np.testing.assert_array_equal(found.known_to_baseline, [1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(found.known_to_model, [0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(found.new_to_both, [0, 0, 1, 1, 0, 0])
    assert (found.header.training_unknown, found.header.baseline_unknown) == ("", "")


def test_where_no_record_is_left_of_what_a_model_was_trained_on_that_is_said(tmp_path):
    found = _predict(
        tmp_path,
        _examples(tmp_path / "e", 4),
        _model(tmp_path / "m"),
        _model(tmp_path / "b"),
        splits=_splits(tmp_path / "tested", "test", "a", "b"),
        model_splits=_splits(tmp_path / "own", "train", "c", "d"),
    )
    assert found.header.training_unknown == ""
    unknown = "the record of its training images is gone or cannot be read"
    assert found.header.baseline_unknown == unknown
    assert found.baseline is not None
    assert not found.known_to_baseline.any()


def test_a_model_of_an_earlier_version_is_compared_by_what_that_remembered(tmp_path):
    inputs = {
        "examples": _examples(tmp_path / "e", 6),
        "model": _model(tmp_path / "m"),
        "baseline": _model(tmp_path / "b"),
        "splits": _splits(tmp_path / "tested", "test", "a", "b", "c", "d", "e", "f"),
        "model_splits": _splits(tmp_path / "own", "train", "x", "y"),
        "baseline_splits": _splits(tmp_path / "other", "train", "c", "z"),
    }
    (tmp_path / "other" / SIDES_FILE).unlink()
    found = _predict(tmp_path / "one", **inputs)
    assert found.header.baseline_unknown == ""
    np.testing.assert_array_equal(found.known_to_baseline, [0, 0, 1, 1, 0, 0])
    found = _predict(tmp_path / "two", **inputs, policy="as_is")
    assert "by an earlier version" in found.header.baseline_unknown
    assert found.header.training_unknown == ""


def test_what_is_answered_from_cache_depends_on_which_records_are_there(tmp_path):
    folder = _splits(tmp_path / "own", "train", "a", "b")
    splits = artifact(SplitAssignment, folder)
    driver = PredictionsDriver(metadata.Metadata(metadata.sqlite_metadata_connection_config("no")))

    def key() -> str:
        info = data_types.ExecutionInfo(input_dict={"splits": [splits], "model_splits": [splits]})
        return driver.run(info).exec_properties[FILES_THERE].string_value

    found = [key()]
    for name in (SIDES_FILE, HISTORY_FILE):
        (folder / name).unlink()
        found.append(key())
    assert len(set(found)) == 3


def test_a_baseline_of_other_classes_is_not_asked(tmp_path):
    baseline = _model(tmp_path / "b", classes=("notumor", "glioma"))
    found = _predict(tmp_path, _examples(tmp_path / "e", 4), _model(tmp_path / "m"), baseline)
    assert found.baseline is None
    assert "knows other classes (notumor, glioma)" in found.header.baseline_problem


def test_a_baseline_that_cannot_be_loaded_now_is_no_result(tmp_path):
    baseline = _model(tmp_path / "b")
    [graph] = baseline.rglob("saved_model.pb")
    content = graph.read_bytes()
    graph.write_bytes(content[:100])
    with pytest.raises(PipelineError, match=r"last blessed model.* cannot be loaded .*run again"):
        _predict(tmp_path, _examples(tmp_path / "e", 4), _model(tmp_path / "m"), baseline)
    graph.write_bytes(content)
    again = tmp_path / "again"
    again.mkdir()
    found = _predict(again, tmp_path / "e", tmp_path / "m", baseline)
    assert found.baseline is not None


def test_a_baseline_whose_files_are_gone_is_named(tmp_path):
    (tmp_path / "b").mkdir()
    found = _predict(tmp_path, _examples(tmp_path / "e", 4), _model(tmp_path / "m"), tmp_path / "b")
    assert found.baseline is None
    assert "gone" in found.header.baseline_problem


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_images(tmp_path, count):
    found = _predict(tmp_path, _examples(tmp_path / "e", count), _model(tmp_path / "m"))
    assert len(found) == count
    assert found.probabilities.shape == (count, 2)


def test_images_without_a_label_have_none(tmp_path):
    examples = _examples(tmp_path / "e", 6, labelled=False)
    found = _predict(tmp_path, examples, _model(tmp_path / "m"))
    assert (found.labels == -1).all()
    assert set(found.slices["class"]) == {""}


def test_a_model_without_the_signature_is_refused(tmp_path):
    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path / "m" / "Format-Serving"))
    with pytest.raises(PipelineError, match="no signature 'evaluate'"):
        _predict(tmp_path, _examples(tmp_path / "e", 2), tmp_path / "m")
    assert not (tmp_path / "predictions" / "predictions.parquet").exists()


def test_probabilities_of_another_number_of_classes_are_refused(tmp_path):
    model = _model(tmp_path / "m", classes=("a", "b", "c"))
    with pytest.raises(PipelineError, match="3 classes"):
        _predict(tmp_path, _examples(tmp_path / "e", 2), model)
    assert list((tmp_path / "predictions").iterdir()) == []


def test_what_an_image_does_not_say_makes_no_slice():
    assert set(describe({}).values()) == {""}
    assert describe({"image/height": 512, "image/width": 300})["size"] == "512 px"
    assert describe({"image/border": 0.5})["border"] == "wide"
    assert describe({"image/source": b"\xff"})["source"] == "\\xff"
    assert intensity(np.array([1.0, np.nan, 2.0, 3.0])) == ["dark", "", "medium", "bright"]
    assert intensity(np.full(5, 2.0)) == [""] * 5
