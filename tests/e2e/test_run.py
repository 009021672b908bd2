"""The whole pipeline, as a user runs it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawing import draw, encode
from toy_run import (
    NODES,
    RESOLVERS,
    arguments,
    assert_whole,
    mri,
    node_states,
    run,
    run_process,
    store,
)

_PLANTED_RUN = Path(__file__).parents[1] / "fixtures" / "planted_run.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two classes that differ, and one damaged file."""
    root = tmp_path_factory.mktemp("data")
    seed = 0
    for split, count in (("Training", 20), ("Testing", 5)):
        for label, size in (("glioma", (64, 48)), ("notumor", (40, 56))):
            folder = root / split / label
            folder.mkdir(parents=True)
            for index in range(count):
                seed += 1
                format = ("PNG", "JPEG")[index % 2]
                name = f"{index:02}.{format.lower()}"
                (folder / name).write_bytes(encode(draw(seed, size), format))
    (root / "Training" / "glioma" / "damaged.jpg").write_bytes(encode(draw(0), "JPEG")[:200])
    return root


@pytest.fixture(scope="module")
def first(data, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    work = tmp_path_factory.mktemp("run") / "work"
    return work, run_process(data, work)


def _pushed(work: Path) -> Path:
    [version] = (work / "serving" / "brain_mri").iterdir()
    return version


def _model(work: Path) -> Path:
    [model] = (work / "artifacts" / "Trainer" / "model").iterdir()
    return model


def test_every_node_runs_and_the_summary_says_so(first):
    work, result = first
    assert result.returncode == 0, result.stdout + result.stderr
    states = node_states(result.stdout)
    assert [name for name in states if name in NODES] == sorted(NODES, key=list(states).index)
    assert {states[name] for name in NODES} == {"done"}
    for words in ("test accuracy", "blessed", str(_pushed(work)), "log.txt", "not a diagnosis"):
        assert words in result.stdout
    assert "36 train, 4 eval, 10 test; 1 rejected" in result.stdout
    assert result.stderr == ""
    assert_whole(store(work))


def test_everything_is_under_the_work_folder(first, data):
    work, _ = first
    assert [path.name for path in work.parent.iterdir()] == ["work"]
    assert sorted(path.name for path in data.iterdir()) == ["Testing", "Training"]


def test_the_log_has_what_libraries_print_and_the_terminal_has_not(first):
    work, result = first
    [log] = work.glob("runs/*/log.txt")
    assert "apache_beam" in log.read_text()
    for noise in ("WARNING", "INFO", "oneDNN", "absl"):
        assert noise not in result.stdout


def test_the_model_comes_with_files_and_curves(first):
    model = _model(first[0])
    names = {path.name for path in model.iterdir()}
    assert {"Format-Serving", "model.keras", "model.h5", "history.json", "curves.png"} <= names
    history = json.loads((model / "history.json").read_text())
    assert set(history) >= {"accuracy", "loss", "val_accuracy", "val_loss"}
    metadata = json.loads((_pushed(first[0]) / "assets.extra" / "metadata.json").read_text())
    assert metadata["classes"] == ["glioma", "notumor"]


_TENSORFLOW_ALONE = """
import json, sys
import tensorflow as tf
signature = tf.saved_model.load(sys.argv[1]).signatures["evaluate"]
examples = []
for name in sys.argv[2:]:
    example = tf.train.Example()
    feature = example.features.feature["image/encoded"]
    feature.bytes_list.value.append(open(name, "rb").read())
    examples.append(example.SerializeToString())
print(json.dumps(signature(examples=tf.constant(examples))["uncalibrated"].numpy().tolist()))
assert not {"tfx", "keras", "components", "tensorflow_transform"} & set(sys.modules)
"""
_KERAS_ALONE = """
import json, sys
import keras, numpy as np
pixels = np.load(sys.argv[1]).astype("float32")
models = [keras.models.load_model(name, compile=False) for name in sys.argv[2:]]
print(json.dumps([model(pixels).numpy().tolist() for model in models]))
assert not {"tfx", "components", "tensorflow_transform"} & set(sys.modules)
"""


def _probabilities(program: str, *words: object) -> np.ndarray:
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return np.array(json.loads(result.stdout.splitlines()[-1]))


def test_saved_model_keras_and_h5_say_what_transform_and_model_say(first, data, tmp_path):
    import tensorflow as tf
    import tensorflow_transform as tft
    from keras import models

    work, _ = first
    images = [data / "Testing" / label / name for label in ("glioma", "notumor")
              for name in ("00.png", "01.jpeg")]  # fmt: skip
    [graph] = (work / "artifacts" / "Transform" / "transform_graph").iterdir()
    encoded = [[path.read_bytes()] for path in images]
    features = {
        "image/encoded": tf.constant(encoded),
        "image/label": tf.constant([[b"glioma"]] * 4),
        "image/class": tf.constant([[0]] * 4, tf.int64),
    }
    transformed = tft.TFTransformOutput(str(graph)).transform_raw_features(features)
    pixels = np.stack(
        [tf.io.decode_png(one).numpy() for one in transformed["image/pixels"].numpy().reshape(-1)]
    )
    model = models.load_model(_model(work) / "model.keras", compile=False)
    expected = model(pixels.astype("float32")).numpy()

    served = _probabilities(_TENSORFLOW_ALONE, _pushed(work), *images)
    np.testing.assert_allclose(served, expected, atol=1e-4)
    np.save(tmp_path / "pixels.npy", pixels)
    files = [_model(work) / name for name in ("model.keras", "model.h5")]
    for alone in _probabilities(_KERAS_ALONE, tmp_path / "pixels.npy", *files):
        np.testing.assert_allclose(alone, expected, atol=1e-4)


def test_predict_uses_what_was_pushed(first, data):
    work, _ = first
    result = mri("predict", "--json", "--work", str(work), str(data / "Testing/glioma/00.png"))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["model"] == str(_pushed(work))


def test_again_is_answered_from_cache_and_part_of_it_on_request(first, data, tmp_path):
    result = run(data, tmp_path / "work", "--to", "StatisticsGen")
    assert result.returncode == 0, result.stdout + result.stderr
    states = node_states(result.stdout)
    assert states["StatisticsGen"] == "done"
    assert states["Trainer"] == "skipped"

    work, _ = first
    states = node_states(run(data, work).stdout)
    assert {states[name] for name in NODES} - {"done"} == {"cached"}
    assert [name for name in NODES if states[name] == "done"] == RESOLVERS

    states = node_states(run(data, work, "--from", "Evaluator", "--set", "cache=false").stdout)
    assert states["Trainer"] == "reused"
    assert states["Evaluator"] == "done"

    result = run(data, work, "--from", "Evaluatr")
    assert result.returncode == 1
    assert "There is no node Evaluatr. Nodes, in order: " in result.stderr


def test_a_copy_of_the_folder_is_answered_from_cache_and_a_changed_byte_is_not(
    first, data, tmp_path
):
    work, _ = first
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy"
    subprocess.run(["cp", "-r", str(data), str(copy)], check=True)
    link = tmp_path / "link"
    link.symlink_to(copy, target_is_directory=True)
    threads = "beam=[--runner=FnApiRunner, --direct_running_mode=multi_threading]"
    result = run(link, work, "--set", threads, "--set", "train.cache_gigabytes=7")
    assert result.returncode == 0, result.stdout + result.stderr
    states = node_states(result.stdout)
    assert [name for name in NODES if states[name] != "cached"] == RESOLVERS

    image = copy / "Training" / "glioma" / "00.png"
    status = image.stat()
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    result = run(copy, work, "--to", "Ingest")
    assert node_states(result.stdout)["Ingest"] == "done"
    assert "35 train, 4 eval, 10 test; 2 rejected" in result.stdout
    [*_, splits] = sorted(work.glob("artifacts/Ingest/splits/*"), key=lambda path: int(path.name))
    with (splits / "splits.csv").open(newline="") as file:
        sides = {row["name"]: row["split"] for row in csv.DictReader(file)}
    assert {sides[name] for name in sides if name.startswith("Testing")} == {"test"}


@pytest.fixture
def copy(first, tmp_path) -> Path:
    """A work folder that knows what the first run has made, and may be changed."""
    return shutil.copytree(first[0], tmp_path / "work", ignore=shutil.ignore_patterns("lock"))


def test_a_model_that_falls_short_is_not_pushed(copy, data):
    work = copy
    result = run(data, work, "--set", "evaluate.min_accuracy=1.0", "--set", "train.seed=5")
    assert result.returncode == 4, result.stdout + result.stderr
    assert "refused" in result.stdout
    assert "at least 1.000 is demanded" in result.stdout
    assert "nothing pushed" in result.stdout
    assert len(list((work / "serving" / "brain_mri").iterdir())) == 1


def test_a_model_whose_graph_fails_on_png_is_refused_and_not_pushed(copy, data):
    command = arguments(data, copy, "--set", "train.seed=5")
    result = subprocess.run(
        [sys.executable, str(_PLANTED_RUN), *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert result.returncode == 4, result.stdout + result.stderr
    said = " ".join(result.stdout.split())
    assert "blessing blessed: every threshold is met" in said
    assert "serving refused: The exported graph fails on test image 1" in said
    assert "There is no decoder for this." in said
    assert len(list((copy / "serving" / "brain_mri").iterdir())) == 1
    blessings = (copy / "artifacts" / "ServeCheck" / "blessing").iterdir()
    assert (max(blessings, key=lambda one: int(one.name)) / "INFRA_NOT_BLESSED").exists()


def test_a_pushed_version_that_was_deleted_is_pushed_again(first, data):
    work, _ = first
    version = _pushed(work)
    shutil.rmtree(version)
    result = run(data, work)
    assert result.returncode == 0, result.stderr
    assert _pushed(work) == version
    assert (version / "saved_model.pb").exists()


def test_a_second_run_in_the_same_folder_waits_its_turn(first, data):
    from pipeline.work import Work

    work, _ = first
    with Work(work).exclusively():
        result = run(data, work)
    assert result.returncode == 1
    assert "Another run is using" in result.stderr


def test_what_a_search_finds_is_what_is_trained(data, tmp_path):
    result = run(data, tmp_path, "--tune", "--set", "tune.trials=2", "--to", "Trainer")
    assert result.returncode == 0, result.stdout + result.stderr
    assert node_states(result.stdout)["Tuner"] == "done"
    [found] = tmp_path.glob("artifacts/Tuner/best_hyperparameters/*/best_hyperparameters.txt")
    [metadata] = tmp_path.glob("artifacts/Trainer/model/*/*/assets.extra/metadata.json")
    recipe = json.loads(metadata.read_text())["recipe"]
    for path, value in json.loads(found.read_text())["values"].items():
        section, _, name = path.partition(".")
        assert recipe[section][name] == value
