"""The whole pipeline, as a user runs it."""

import csv
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import toy_run
from dicom_files import file as dicom_file
from dicom_files import head
from drawing import draw, encode
from killing import kill_a_training
from pydicom.data import get_testdata_file
from toy_run import NODES, RESOLVERS, assert_whole, mri, newest, node_states, store

from components.serve_check import component as serve_check
from components.serve_check.verdict import ServeVerdict

_PLANTED_RUN = Path(__file__).parents[1] / "fixtures" / "planted_run.py"

CLASSES = ["glioma", "meningioma", "metastasis", "notumor", "pituitary"]
_FIVE = ("--set", f"ingest.classes=[{', '.join(CLASSES)}]")
_SIZES = {"glioma": (64, 48), "notumor": (40, 56)}
_SHIPPED = ("MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_truncated.dcm")


def run(data: Path, work: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return toy_run.run(data, work, *_FIVE, *more)


@pytest.fixture(scope="module")
def volume():
    """The MNI152 template of nilearn's wheel, every fourth voxel, its levels changed by place."""
    # Not imported: nilearn.datasets could fetch, and another test makes sure that nothing does.
    [folder] = importlib.util.find_spec("nilearn").submodule_search_locations
    [file] = Path(folder, "datasets", "data").glob("mni_icbm152_t1*.nii.gz")
    template = nibabel.load(file).slicer[::4, ::4, ::4]
    values = np.asarray(template.dataobj)

    def make(seed: int, path: Path) -> None:
        random = np.random.default_rng(seed)
        blocks = random.uniform(0.3, 1.7, [extent // 4 + 1 for extent in values.shape])
        rough = np.kron(blocks, np.ones((4, 4, 4)))
        changed = values * rough[tuple(slice(extent) for extent in values.shape)]
        nibabel.save(nibabel.Nifti1Image(changed.astype(np.float32), template.affine), path)

    return make


@pytest.fixture(scope="module")
def data(tmp_path_factory, volume) -> Path:
    """PNG, JPEG, DICOM and NIfTI files of five classes, and one damaged file."""
    root = tmp_path_factory.mktemp("data")
    seed = 0
    for split, count in (("Training", 10), ("Testing", 3)):
        for label in CLASSES:
            folder = root / split / label
            folder.mkdir(parents=True)
            for index in range(count):
                seed += 1
                format = ("PNG", "JPEG")[index % 2]
                name = f"{index:02}.{format.lower()}"
                pixels = draw(seed, _SIZES.get(label, (48, 40)))
                (folder / name).write_bytes(encode(pixels, format))
        for patient in range(count):
            content = dicom_file(
                head(seed + patient),
                PatientID=f"XQZMARKER {split} {patient}",
                PatientName="XQZMARKER^Name",
            )
            (root / split / "glioma" / f"{patient}.dcm").write_bytes(content)
        volume(seed, root / split / "notumor" / "volume.nii.gz")
    glioma = root / "Training" / "glioma"
    frames = dicom_file(head(41, (3, 48, 40)), PatientID="XQZMARKER 41")
    (glioma / "frames.dcm").write_bytes(frames)
    for name in _SHIPPED:
        (glioma / name).write_bytes(Path(get_testdata_file(name)).read_bytes())
    (glioma / "damaged.jpg").write_bytes(encode(draw(0), "JPEG")[:200])
    return root


@pytest.fixture(scope="module")
def first(data, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    work = tmp_path_factory.mktemp("run") / "work"
    return work, toy_run.run_process(data, work, *_FIVE)


@pytest.fixture
def work_copy(first, tmp_path) -> Path:
    """A work folder that knows what the first run has made, and may be changed."""
    return shutil.copytree(first[0], tmp_path / "work", ignore=shutil.ignore_patterns("lock"))


def _versions(work: Path) -> list[Path]:
    return list((work / "serving" / "brain_mri").iterdir())


def _pushed(work: Path) -> Path:
    [version] = _versions(work)
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
    assert "61 train, 10 eval, 23 test; 2 rejected" in result.stdout
    assert result.stderr == ""
    assert_whole(store(work))


def test_everything_is_under_the_work_folder(first, data):
    work, _ = first
    assert [path.name for path in work.parent.iterdir()] == ["work"]
    assert sorted(path.name for path in data.iterdir()) == ["Testing", "Training"]


def test_the_log_has_what_libraries_print_and_the_terminal_has_not(first):
    work, result = first
    [log] = work.glob("runs/*/log.txt")
    text = log.read_text()
    assert "apache_beam" in text
    assert "TFX Python dependency" not in text  # no node packs TFX for Beam's workers
    for noise in ("WARNING", "INFO", "oneDNN", "absl"):
        assert noise not in result.stdout


def test_the_model_comes_with_files_and_curves(first):
    model = _model(first[0])
    names = {path.name for path in model.iterdir()}
    assert {"Format-Serving", "model.keras", "model.h5", "history.json", "curves.png"} <= names
    history = json.loads((model / "history.json").read_text())
    assert set(history) >= {"accuracy", "loss", "val_accuracy", "val_loss"}
    metadata = json.loads((_pushed(first[0]) / "assets.extra" / "metadata.json").read_text())
    assert metadata["classes"] == CLASSES


def test_a_slice_a_patient_and_a_volume_are_a_group_and_no_name_is_kept(first):
    work, _ = first
    [splits] = work.glob("artifacts/Ingest/splits/*/splits.csv")
    rows = [line.split(",") for line in splits.read_text().splitlines()[1:]]
    for name, images in (("glioma/MR_small", 3), ("glioma/frames", 3), ("notumor/volume", 5)):
        groups = [row[4] for row in rows if row[0].startswith(f"Training/{name}")]
        assert len(groups) == images
        assert len(set(groups)) == 1

    for path in work.rglob("*"):
        if path.is_file() and path.suffix != ".gz":
            assert b"XQZMARKER" not in path.read_bytes(), path
    metadata = store(work)
    for known in (*metadata.get_artifacts(), *metadata.get_executions()):
        assert "XQZMARKER" not in str(known)


_ALONE = """
import json, sys
import numpy as np
import tensorflow as tf
served, images, pixels, files = json.loads(sys.argv[1])
signature = tf.saved_model.load(served).signatures["evaluate"]
examples = []
for name in images:
    example = tf.train.Example()
    feature = example.features.feature["image/encoded"]
    feature.bytes_list.value.append(open(name, "rb").read())
    examples.append(example.SerializeToString())
said = [signature(examples=tf.constant(examples))["uncalibrated"]]
assert not {"keras", "tfx", "components", "tensorflow_transform"} & set(sys.modules)
import keras
for name in files:
    said.append(keras.models.load_model(name, compile=False)(np.load(pixels).astype("float32")))
print(json.dumps([one.numpy().tolist() for one in said]))
assert not {"tfx", "components", "tensorflow_transform"} & set(sys.modules)
"""


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
        "image/group": tf.constant([[b"group"]] * 4),
    }
    transformed = tft.TFTransformOutput(str(graph)).transform_raw_features(features)
    pixels = np.stack(
        [tf.io.decode_png(one).numpy() for one in transformed["image/pixels"].numpy().reshape(-1)]
    )
    model = models.load_model(_model(work) / "model.keras", compile=False)
    expected = model(pixels.astype("float32")).numpy()

    np.save(tmp_path / "pixels.npy", pixels)
    files = [_model(work) / name for name in ("model.keras", "model.h5")]
    named = [_pushed(work), images, tmp_path / "pixels.npy", files]
    alone = subprocess.run(
        [sys.executable, "-c", _ALONE, json.dumps(named, default=str)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    for said in json.loads(alone.stdout.splitlines()[-1]):
        np.testing.assert_allclose(said, expected, atol=1e-4)


def test_predict_uses_what_was_pushed(first, data):
    work, _ = first
    result = mri("predict", "--json", "--work", str(work), str(data / "Testing/metastasis/00.png"))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["model"] == str(_pushed(work))


def test_again_is_answered_from_cache(first, data):
    work, _ = first
    states = node_states(run(data, work).stdout)
    assert {states[name] for name in NODES} - {"done"} == {"cached"}
    assert [name for name in NODES if states[name] == "done"] == RESOLVERS

    result = run(data, work, "--from", "Evaluatr")
    assert result.returncode == 2
    assert "there is no node 'Evaluatr'; did you mean 'Evaluator'?" in result.stderr


def test_a_copy_of_the_folder_is_answered_from_cache_and_a_changed_byte_is_not(
    first, work_copy, data, tmp_path
):
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy"
    subprocess.run(["cp", "-r", str(data), str(copy)], check=True)
    link = tmp_path / "link"
    link.symlink_to(copy, target_is_directory=True)
    threads = "beam=[--runner=FnApiRunner, --direct_running_mode=multi_threading]"
    result = run(link, first[0], "--set", threads, "--set", "train.cache_gigabytes=7")
    assert result.returncode == 0, result.stdout + result.stderr
    states = node_states(result.stdout)
    assert [name for name in NODES if states[name] != "cached"] == RESOLVERS

    image = copy / "Training" / "glioma" / "00.png"
    status = image.stat()
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    result = run(copy, work_copy, "--to", "Ingest")
    states = node_states(result.stdout)
    assert [states[name] for name in ("Ingest", "Trainer")] == ["done", "skipped"]
    assert "60 train, 10 eval, 23 test; 3 rejected" in result.stdout
    with (newest(work_copy, "Ingest/splits") / "splits.csv").open(newline="") as file:
        sides = {row["name"]: row["split"] for row in csv.DictReader(file)}
    assert {sides[name] for name in sides if name.startswith("Testing")} == {"test"}


def test_a_copy_of_the_work_folder_does_not_need_its_original(first, work_copy, data):
    work, _ = first
    hidden = work.rename(work.with_name("hidden"))
    try:
        result = run(data, work_copy)
        assert result.returncode == 0, result.stdout + result.stderr
        states = node_states(result.stdout)
        assert [name for name in NODES if states[name] != "cached"] == RESOLVERS
        report = mri("report", "--work", str(work_copy))
        assert Path(report.stdout.strip()).is_relative_to(work_copy)
        shown = json.loads(mri("models", "show", "--json", "--work", str(work_copy)).stdout)
        assert shown["state"] == "served"
        image = str(data / "Testing/metastasis/00.png")
        answer = mri("predict", "--json", "--work", str(work_copy), image)
        assert json.loads(answer.stdout)["model"] == str(_pushed(work_copy))
        assert_whole(store(work_copy))
        assert not work.exists()
    finally:
        hidden.rename(work)


def test_a_model_that_falls_short_is_not_pushed(work_copy, data):
    # The run that is continued: another test may have run on other data since.
    assert run(data, work_copy).returncode == 0
    shutil.rmtree(_pushed(work_copy))
    result = run(data, work_copy, "--from", "Evaluator", "--set", "evaluate.min_accuracy=1.0")
    assert result.returncode == 4, result.stdout + result.stderr
    states = node_states(result.stdout)
    assert (states["Trainer"], states["Evaluator"]) == ("reused", "done")
    assert "refused" in result.stdout
    assert "(limit: at least 1.000)" in result.stdout
    assert "nothing pushed" in result.stdout
    assert _versions(work_copy) == []


def _assert_refused_by_the_serve_check(result: subprocess.CompletedProcess[str], work: Path) -> str:
    assert result.returncode == 4, result.stdout + result.stderr
    said = " ".join(result.stdout.split())
    assert "blessing blessed: every threshold is met" in said
    assert (newest(work, "ServeCheck/blessing") / "INFRA_NOT_BLESSED").exists()
    return said


def test_a_model_that_the_serve_check_refuses_is_not_pushed(work_copy, data, monkeypatch):
    reason = "Over gRPC, nothing is understood."
    verdict = ServeVerdict(reasons=(reason,), server="embedded", requests=1)
    monkeypatch.setattr(serve_check, "judge", lambda *_: verdict)
    shutil.rmtree(_pushed(work_copy))
    result = run(data, work_copy, "--set", "serve_check.images=7")
    said = _assert_refused_by_the_serve_check(result, work_copy)
    assert f"serving refused: {reason}" in said
    assert _versions(work_copy) == []


@pytest.mark.slow
def test_a_model_whose_graph_fails_on_png_is_refused_and_not_pushed(work_copy, data):
    command = toy_run.arguments(data, work_copy, *_FIVE, "--set", "train.seed=5")
    result = subprocess.run(
        [sys.executable, str(_PLANTED_RUN), *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    said = _assert_refused_by_the_serve_check(result, work_copy)
    assert "serving refused: The exported graph fails on test image 1" in said
    assert "There is no decoder for this." in said
    assert len(_versions(work_copy)) == 1


def test_killed_in_the_middle_of_training_the_next_run_goes_on(work_copy, data, tmp_path):
    more = ("--set", "train.epochs=3")
    environment = kill_a_training(tmp_path / "armed")
    killed = toy_run.run_process(data, work_copy, *_FIVE, *more, **environment)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr

    result = run(data, work_copy, *more, "--to", "Trainer")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "interrupted in Trainer" in result.stdout
    states = node_states(result.stdout)
    assert (states["Transform"], states["Trainer"]) == ("cached", "done")
    log = max(work_copy.glob("runs/*/log.txt")).read_text()
    assert "continuing after epoch 1, the last before training was interrupted" in log
    assert_whole(store(work_copy))
    assert len(_versions(work_copy)) == 1


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
    assert "Another command is using" in result.stderr


def test_what_a_search_finds_is_what_is_trained(work_copy, data):
    result = run(data, work_copy, "--tune", "--set", "tune.trials=2", "--to", "Trainer")
    assert result.returncode == 0, result.stdout + result.stderr
    states = node_states(result.stdout)
    assert (states["Tuner"], states["Trainer"]) == ("done", "done")
    [found] = work_copy.glob("artifacts/Tuner/best_hyperparameters/*/best_hyperparameters.txt")
    [metadata] = newest(work_copy, "Trainer/model").glob("*/assets.extra/metadata.json")
    recipe = json.loads(metadata.read_text())["recipe"]
    for path, value in json.loads(found.read_text())["values"].items():
        section, _, name = path.partition(".")
        assert recipe[section][name] == value
