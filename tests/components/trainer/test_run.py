import json
from dataclasses import dataclass
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
from components.trainer.confidence.observations import Observations
from components.trainer.config import ExportConfig, Recipe, TrainConfig, Training
from components.trainer.inputs import decode_pixels, read_images
from components.trainer.run import run_fn
from components.transform.config import TransformConfig
from serving.server.servable import LoadOptions, Servable
from serving.server.warm_up import warm_up

pytestmark = pytest.mark.long

CLASSES = ["glioma", "notumor"]
TUNED = {"model.dense_dropout": 0.1, "train.learning_rate": 0.0002}


def _arguments(
    folder, train=20, *, rare=False, classes=CLASSES, model=TOY, dtype="float32", **recipe
):
    """What TFX hands over, of a toy run."""
    config = Training(
        recipe=Recipe(
            model=model,
            train=TrainConfig(**{"epochs": 2, "batch_size": 8, "precision": "float32", **recipe}),
            transform=TransformConfig(image_size=SIZE, crop="none"),
            classes=classes,
        ),
        cache=folder / "cache",
        export=ExportConfig(dtype=dtype),
    )
    return SimpleNamespace(
        train_files=write_split(folder / "train", train, rare=rare),
        eval_files=write_split(folder / "eval", 12, first=100),
        serving_model_dir=str(folder / "run" / "Format-Serving"),
        model_run_dir=str(folder / "run" / "logs"),
        hyperparameters=None,
        custom_config=config.model_dump(mode="json"),
    )


@dataclass(frozen=True)
class Ran:
    """A run that ended.

    Attributes:
        folder: Of what it left.
        arguments: What it was given.
        observed: What confidence was fitted on, train's and eval's.
    """

    folder: Path
    arguments: SimpleNamespace
    observed: list[Observations]

    @property
    def exported(self) -> Path:
        return self.folder / "run" / "Format-Serving"

    @property
    def metadata(self):
        return json.loads((self.exported / "assets.extra" / "metadata.json").read_text())


def _run(folder: Path, trainable: int, **settings) -> Ran:
    """Trains what the tuner found, on splits that are written class by class, as Transform does."""
    model = TOY.model_copy(update={"trainable_convolutions": trainable})
    ran = Ran(folder, _arguments(folder, model=model, **settings), [])
    ran.arguments.hyperparameters = {"values": TUNED}
    for pattern in (*ran.arguments.train_files, *ran.arguments.eval_files):
        [file] = Path(pattern).parent.iterdir()
        records = list(tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator())
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for record in sorted(records, key=_label):
                writer.write(record)

    def fit(train, held_out, measures, config, classes):
        ran.observed.extend([train, held_out])
        return fit_confidence(train, held_out, measures, config, classes)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "_OBSERVED", 8)
        patched.setattr(run, "fit_confidence", fit)
        run_fn(ran.arguments)
    return ran


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Ran:
    return _run(tmp_path_factory.mktemp("plain"), 3)


@pytest.fixture(scope="module", params=[0, 3, 13])
def ran(request, tmp_path_factory) -> Ran:
    if request.param == 3:
        return request.getfixturevalue("plain")
    return _run(tmp_path_factory.mktemp("ran"), request.param)


def test_the_exported_graph_is_the_whole_trained_network(ran):
    [image] = list(read_images(ran.arguments.eval_files))[:1]
    model = keras.models.load_model(ran.folder / "run" / "model.keras")
    expected = model(tf.cast(decode_pixels([image]), tf.float32)).numpy()
    served = tf.saved_model.load(str(ran.exported))
    example = tf.train.Example()
    example.features.feature["image/encoded"].bytes_list.value.append(image.png)
    found = served.signatures["evaluate"](examples=tf.constant([example.SerializeToString()]))
    np.testing.assert_allclose(found["uncalibrated"], expected, atol=1e-5)
    history = json.loads((ran.folder / "run" / "history.json").read_text())
    assert {len(values) for values in history.values()} == {2}
    assert "Total params" in (ran.folder / "run" / "summary.txt").read_text()
    assert ran.metadata["complexity"]["parameters"] == model.count_params()
    assert ran.metadata["complexity"]["gigaflops_per_image"] > 0
    assert not list((ran.folder / "cache" / "training").iterdir())


def test_confidence_is_fitted_on_all_classes(ran):
    """Large splits are observed in part."""
    for observed in ran.observed:
        assert sorted(set(observed.labels)) == [0, 1]
        assert len(observed.labels) == 8
    train, held_out = ran.observed
    assert train.groups is None
    assert [int(group) % 2 for group in held_out.groups] == held_out.labels.tolist()
    assert len(set(held_out.groups)) == 8
    assert ran.metadata["confidence"]["set_level"] == 0.9
    assert len(ran.metadata["confidence"]["set_thresholds"]) == 2


def test_a_graph_in_bfloat16_answers_and_explains_as_the_one_in_float32(plain, tmp_path):
    [image] = list(read_images(plain.arguments.eval_files))[:1]
    found = {}
    for dtype, made in (("float32", plain), ("bfloat16", _run(tmp_path, 3, dtype="bfloat16"))):
        served = tf.saved_model.load(str(made.exported))
        found[dtype] = served.signatures["explain"](image_bytes=tf.constant([image.png]))
        kinds = {node.attr["T"].type for node in _convolutions(made.exported)}
        assert kinds == {tf.as_dtype(dtype).as_datatype_enum}
        assert made.metadata["export"] == {"dtype": dtype}
    exact, short = found["float32"], found["bfloat16"]
    assert {name: tensor.dtype for name, tensor in short.items()} == {
        name: tensor.dtype for name, tensor in exact.items()
    }
    np.testing.assert_allclose(short["probabilities"], exact["probabilities"], atol=0.02)
    np.testing.assert_allclose(short["heatmap"], exact["heatmap"], atol=0.2)


def test_a_server_warms_up_what_clients_ask_before_it_offers_the_model(plain, caplog):
    caplog.set_level("INFO", logger="serving")
    servable = Servable("brain_mri", 7, plain.exported, LoadOptions())
    warm_up(servable, iterations=1)
    assert "Ran 2 warm-up requests of brain_mri version 7" in caplog.text


def _convolutions(model: Path):
    graph = saved_model_pb2.SavedModel.FromString(
        (model / "saved_model.pb").read_bytes()
    ).meta_graphs[0]
    return [
        node
        for function in graph.graph_def.library.function
        for node in function.node_def
        if node.op == "Conv2D"
    ]


def test_what_the_tuner_found_is_what_is_trained(plain):
    recipe = plain.metadata["recipe"]
    assert (recipe["model"]["dense_dropout"], recipe["train"]["learning_rate"]) == (0.1, 0.0002)
    assert recipe["tuned"] == TUNED
    model = keras.models.load_model(plain.folder / "run" / "model.keras")
    assert model.get_layer("dense_dropout").rate == 0.1


def _label(record: bytes) -> int:
    feature = tf.train.Example.FromString(record).features.feature
    return feature["image/class"].int64_list.value[0]


def test_a_class_without_a_training_image_is_named(tmp_path):
    with pytest.raises(PipelineError, match="no training image of pituitary"):
        run_fn(_arguments(tmp_path, classes=[*CLASSES, "pituitary"]))


def test_one_image_of_a_class_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "export_saved_model", lambda _, path: path.mkdir(parents=True))
    run_fn(_arguments(tmp_path, rare=True, class_weights="balanced"))
    assert (tmp_path / "run" / "model.keras").exists()


def test_an_empty_split_is_named(tmp_path):
    with pytest.raises(PipelineError, match="no image to train on"):
        run_fn(_arguments(tmp_path, 0))


def test_a_diverging_training_says_what_to_lower(tmp_path):
    with pytest.raises(PipelineError, match=r"Lower train\.learning_rate \(it was 1e\+30\)"):
        run_fn(_arguments(tmp_path, learning_rate=1e30, schedule="constant"))
