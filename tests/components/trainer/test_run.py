import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from transformed import SIZE, TOY, write_split

from components.errors import PipelineError
from components.trainer import run
from components.trainer.confidence.fit import fit_confidence
from components.trainer.config import ExportConfig, Recipe, TrainConfig, Training
from components.trainer.inputs import decode_pixels, read_images
from components.trainer.run import run_fn
from components.transform.config import TransformConfig
from serving.server.servable import LoadOptions, Servable
from serving.server.warm_up import warm_up

pytestmark = pytest.mark.long

CLASSES = ["glioma", "notumor"]


@pytest.fixture
def fn_args(tmp_path):
    """What TFX hands over, of a toy run."""

    def make(train: int = 20, *, rare=False, classes=CLASSES, model=TOY, dtype="float32", **recipe):
        config = Training(
            recipe=Recipe(
                model=model,
                train=TrainConfig(
                    **{"epochs": 2, "batch_size": 8, "precision": "float32", **recipe}
                ),
                transform=TransformConfig(image_size=SIZE, crop="none"),
                classes=classes,
            ),
            cache=tmp_path / "cache",
            export=ExportConfig(dtype=dtype),
        )
        return SimpleNamespace(
            train_files=write_split(tmp_path / "train", train, rare=rare),
            eval_files=write_split(tmp_path / "eval", 12, first=100),
            serving_model_dir=str(tmp_path / "run" / "Format-Serving"),
            model_run_dir=str(tmp_path / "run" / "logs"),
            hyperparameters=None,
            custom_config=config.model_dump(mode="json"),
        )

    return make


@pytest.mark.parametrize("trainable", [0, 3, 13])
def test_the_exported_graph_is_the_whole_trained_network(fn_args, tmp_path, trainable):
    arguments = fn_args(model=TOY.model_copy(update={"trainable_convolutions": trainable}))
    run_fn(arguments)
    folder = tmp_path / "run"
    [image] = list(read_images(arguments.eval_files))[:1]
    model = keras.models.load_model(folder / "model.keras")
    expected = model(tf.cast(decode_pixels([image]), tf.float32)).numpy()
    served = tf.saved_model.load(str(folder / "Format-Serving"))
    example = tf.train.Example()
    example.features.feature["image/encoded"].bytes_list.value.append(image.png)
    found = served.signatures["evaluate"](examples=tf.constant([example.SerializeToString()]))
    np.testing.assert_allclose(found["uncalibrated"], expected, atol=1e-5)
    history = json.loads((folder / "history.json").read_text())
    assert {len(values) for values in history.values()} == {2}
    assert "Total params" in (folder / "summary.txt").read_text()
    metadata = json.loads((folder / "Format-Serving/assets.extra/metadata.json").read_text())
    assert metadata["complexity"]["parameters"] == model.count_params()
    assert metadata["complexity"]["gigaflops_per_image"] > 0
    assert not list((tmp_path / "cache" / "training").iterdir())


def test_a_graph_in_bfloat16_answers_and_explains_as_the_one_in_float32(fn_args, tmp_path):
    found = {}
    for dtype in ("float32", "bfloat16"):
        arguments = fn_args(dtype=dtype)
        arguments.serving_model_dir = str(tmp_path / dtype / "Format-Serving")
        run_fn(arguments)
        [image] = list(read_images(arguments.eval_files))[:1]
        served = tf.saved_model.load(arguments.serving_model_dir)
        found[dtype] = served.signatures["explain"](image_bytes=tf.constant([image.png]))
        kinds = {node.attr["T"].type for node in _convolutions(arguments.serving_model_dir)}
        assert kinds == {tf.as_dtype(dtype).as_datatype_enum}
        metadata = json.loads(
            (tmp_path / dtype / "Format-Serving/assets.extra/metadata.json").read_text()
        )
        assert metadata["export"] == {"dtype": dtype}
    exact, short = found["float32"], found["bfloat16"]
    assert {name: tensor.dtype for name, tensor in short.items()} == {
        name: tensor.dtype for name, tensor in exact.items()
    }
    np.testing.assert_allclose(short["probabilities"], exact["probabilities"], atol=0.02)
    np.testing.assert_allclose(short["heatmap"], exact["heatmap"], atol=0.2)


def test_a_server_warms_up_what_clients_ask_before_it_offers_the_model(fn_args, caplog):
    arguments = fn_args()
    run_fn(arguments)
    caplog.set_level("INFO", logger="serving")
    servable = Servable("brain_mri", 7, Path(arguments.serving_model_dir), LoadOptions())
    warm_up(servable, iterations=1)
    assert "Ran 2 warm-up requests of brain_mri version 7" in caplog.text


def _convolutions(model: str):
    graph = saved_model_pb2.SavedModel.FromString(
        (Path(model) / "saved_model.pb").read_bytes()
    ).meta_graphs[0]
    return [
        node
        for function in graph.graph_def.library.function
        for node in function.node_def
        if node.op == "Conv2D"
    ]


def test_what_the_tuner_found_is_what_is_trained(fn_args, tmp_path):
    arguments = fn_args()
    arguments.hyperparameters = {"values": {"model.dense_units": 5, "train.learning_rate": 0.002}}
    run_fn(arguments)
    folder = tmp_path / "run" / "Format-Serving" / "assets.extra"
    recipe = json.loads((folder / "metadata.json").read_text())["recipe"]
    assert (recipe["model"]["dense_units"], recipe["train"]["learning_rate"]) == (5, 0.002)
    assert recipe["tuned"] == arguments.hyperparameters["values"]
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert model.get_layer("dense").units == 5


@pytest.mark.parametrize("trainable", [0, 3])
def test_confidence_is_fitted_on_all_classes(fn_args, monkeypatch, trainable):
    """Transform writes a split class by class, and large ones are observed in part."""
    arguments = fn_args(model=TOY.model_copy(update={"trainable_convolutions": trainable}))
    for pattern in (*arguments.train_files, *arguments.eval_files):
        [file] = Path(pattern).parent.iterdir()
        records = list(tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator())
        records.sort(key=_label)
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for record in records:
                writer.write(record)
    monkeypatch.setattr(run, "_OBSERVED", 8)
    seen = []

    def fit(train, held_out, config):
        seen.extend([train, held_out])
        return fit_confidence(train, held_out, config)

    monkeypatch.setattr(run, "fit_confidence", fit)
    run_fn(arguments)
    for observed in seen:
        assert sorted(set(observed.labels)) == [0, 1]
        assert len(observed.labels) == 8


def _label(record: bytes) -> int:
    feature = tf.train.Example.FromString(record).features.feature
    return feature["image/class"].int64_list.value[0]


def test_a_class_without_a_training_image_is_named(fn_args):
    with pytest.raises(PipelineError, match="no training image of pituitary"):
        run_fn(fn_args(classes=[*CLASSES, "pituitary"]))


def test_one_image_of_a_class_is_enough(fn_args, tmp_path):
    run_fn(fn_args(rare=True, class_weights="balanced"))
    assert (tmp_path / "run" / "model.keras").exists()


def test_an_empty_split_is_named(fn_args):
    with pytest.raises(PipelineError, match="no image to train on"):
        run_fn(fn_args(0))


def test_a_diverging_training_says_what_to_lower(fn_args):
    with pytest.raises(PipelineError, match=r"Lower train\.learning_rate \(it was 1e\+30\)"):
        run_fn(fn_args(learning_rate=1e30, schedule="constant"))
