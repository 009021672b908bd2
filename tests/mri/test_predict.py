import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_files import head
from drawing import draw, encode
from mri_command import mri, mri_process
from PIL import Image
from small_model import save

from components.errors import PipelineError
from mri.classified import Classified
from mri.predictor import classify_image, load_saved_model
from mri.served import find_saved_model
from serving.client import prepare_image

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A work folder with two versions; the model takes white for foreign, and black for unsure."""
    root = tmp_path_factory.mktemp("work")
    base = root / "serving" / "brain_mri"
    shutil.copytree(save(base / "9", bias=0.4), base / "10")
    (base / ".11.unfinished").mkdir()
    return root


@pytest.fixture
def image(tmp_path) -> Path:
    path = tmp_path / "scan [1] é.png"
    path.write_bytes(encode(draw(1)))
    return path


def _predict(work: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return mri("predict", "--work", str(work), *map(str, arguments))


def test_the_newest_version_is_taken(work):
    assert find_saved_model(None, work).name == "10"


@pytest.fixture
def two_models(tmp_path) -> Path:
    """A work folder with two models of which one has the highest version."""
    for version in ("one/9", "other/10"):
        folder = tmp_path / "two" / "serving" / version
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()
    return tmp_path / "two"


def test_of_several_models_none_is_picked_by_any_command(two_models):
    words = "There are several models: choose one with --model: one, other"
    for command in ("predict", "batch", "serve", "web"):
        arguments = {"predict": ["x.png"], "batch": [str(two_models), "out"]}.get(command, [])
        result = mri(command, *arguments, "--work", str(two_models))
        assert (result.returncode, words in result.stderr) == (2, True), result.stderr


def test_a_model_is_chosen_by_its_name_or_where_it_lies(two_models):
    serving = two_models / "serving"
    for given in ("other", serving / "other", serving / "other" / "10"):
        assert find_saved_model(Path(given), two_models) == serving / "other" / "10"
    with pytest.raises(PipelineError, match="holds no SavedModel"):
        find_saved_model(Path("third"), two_models)


def test_the_doctor_names_every_pushed_model(two_models, capfd, monkeypatch):
    from mri.doctor import doctor

    monkeypatch.setenv("COLUMNS", "500")
    doctor(work=two_models)
    said = "".join(capfd.readouterr().out.split())
    assert str(two_models / "serving" / "one" / "9") in said
    assert str(two_models / "serving" / "other" / "10") in said


def test_the_answer_has_each_class_and_its_probability(work, image):
    model = load_saved_model(find_saved_model(None, work))
    prediction = classify_image(model, str(image), prepare_image(image))
    assert prediction.label in ("glioma", "notumor")
    assert prediction.confidence == pytest.approx(max(prediction.probabilities.values()))
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert prediction.error is None


def test_doubts_are_said(work, tmp_path):
    levels = {255: "does not look like a brain MRI", 0: "refer to a reader", 150: ""}
    for level in levels:
        pixels = np.full((32, 32, 3), level, np.uint8)
        pixels[0, 0] = 100  # of a single colour, it would be refused
        (tmp_path / f"{level}.png").write_bytes(encode(pixels))
    files = [tmp_path / f"{level}.png" for level in levels]
    said = _predict(work, *files, "--figure", tmp_path / "result.png").stdout
    predictions = json.loads(_predict(work, "--json", *files).stdout)["predictions"]
    parts = re.split(r"\S*\.png", said)[1:]
    for (level, doubt), part, prediction in zip(levels.items(), parts, predictions, strict=True):
        assert doubt in part
        assert ("look like" in part, "refer" in part) == (level == 255, level == 0)
        assert prediction["in_distribution"] is (level != 255)
        assert prediction["refer"] is (level == 0)


def test_whatever_an_image_is_called(work, image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [b"a $x$ $.png", b"\xff.png", b":ok: [b] {1}.png", b"-x.png"]
    for name in names:
        shutil.copy(image, os.fsdecode(name))
    result = _predict(work, "--figure", "result.png", "--", *map(os.fsdecode, names))
    assert result.returncode == 0, result.stderr
    for name in names:
        assert name.decode("utf-8", "backslashreplace") in result.stdout
    assert (tmp_path / "result.png").is_file()


def test_bars_figure_and_disclaimer(work, image, tmp_path):
    figure = tmp_path / "result.png"
    result = mri_process("predict", "--work", str(work), str(image), "--figure", str(figure))
    assert result.returncode == 0, result.stderr
    assert "scan [1] é.png" in result.stdout
    assert "%" in result.stdout
    assert "not a diagnosis" in result.stdout
    assert result.stderr == ""
    with Image.open(figure) as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.png", image.name]


def test_json_and_bad_files_beside_good_ones(work, image, tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "half.png").write_bytes(image.read_bytes()[:80])
    names = ["text.jpg", "empty.jpg", "half.png", "missing.jpg"]
    result = _predict(work, "--json", image, *[tmp_path / name for name in names])
    assert result.returncode == 1
    first, *rest = json.loads(result.stdout)["predictions"]
    assert first["label"] in ("glioma", "notumor")
    assert len(rest) == 4
    for prediction in rest:
        assert prediction["label"] is None
        assert prediction["error"]


def test_a_version_is_chosen_by_its_number(work, image):
    assert find_saved_model(None, work, 9).name == "9"
    answers = [json.loads(_predict(work, "--json", *asked, image).stdout)
               for asked in ((), ("--version", 10), ("--version", 9))]  # fmt: skip
    assert [Path(one["model"]).name for one in answers] == ["10", "10", "9"]
    result = _predict(work, "--version", 11, image)
    assert result.returncode == 2
    assert "There is no version 11" in result.stderr
    assert "there are: 10, 9" in " ".join(result.stderr.split())
    with pytest.raises(PipelineError, match="is not a folder of versions"):
        find_saved_model(work / "serving" / "brain_mri" / "9", work, 9)
    assert "--label needs --server" in _predict(work, "--label", "old", image).stderr


def test_every_frame_of_a_volume_is_judged_and_the_volume_on_top(work, tmp_path):
    volume = np.stack([head(seed, (20, 20)) for seed in range(5)], axis=2).astype(np.int16)
    volume[..., 4] = 0  # of a single colour, it is no picture
    scan = tmp_path / "volume.nii"
    scan.write_bytes(nibabel.Nifti1Image(volume, np.eye(4)).to_bytes())
    whole, *every = json.loads(_predict(work, "--json", scan).stdout)["predictions"]
    assert [(one["frame"], one["frames"]) for one in every] == [(n, 5) for n in range(4)]
    assert (whole["frame"], whole["frames"], whole["slices"]) == (None, 5, 4)
    for name, mean in whole["probabilities"].items():
        assert mean == pytest.approx(np.mean([one["probabilities"][name] for one in every]))
    [middle] = json.loads(_predict(work, "--json", "--frame", "middle", scan).stdout)["predictions"]
    assert middle == every[2]
    told = _predict(work, scan).stdout
    lines = [line for line in told.splitlines() if "volume.nii, " in line]
    assert "volume.nii, 5 frames together" in lines[0]
    assert len(lines) == 5
    assert "Mean of the probabilities over the 4 slices" in " ".join(told.split())
    twice = json.loads(_predict(work, "--json", scan, scan).stdout)["predictions"]
    assert twice == [whole, *every] * 2
    assert "volume.nii, frame 3 of 0 to 4\n" in _predict(work, "--frame", "3", scan).stdout
    blank = _predict(work, "--frame", "4", scan)
    assert (blank.returncode, "blank" in blank.stdout) == (1, True)


def test_a_figure_that_cannot_be_written_is_one_sentence(work, image, tmp_path):
    for figure in (tmp_path / "nowhere" / "x.png", tmp_path / "x.docx"):
        result = _predict(work, image, "--figure", figure)
        assert result.returncode == 2
        assert "cannot be written" in result.stderr
        assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [image.name]


def test_a_damaged_model_is_one_sentence(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(PipelineError, match="cannot be loaded"):
        load_saved_model(tmp_path)


def test_a_model_of_another_kind_is_one_sentence(tmp_path):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    with pytest.raises(PipelineError, match="has no signature serving_default"):
        load_saved_model(tmp_path / "other")


def test_the_reasons_are_the_models_own_where_it_gives_some(tmp_path):
    classes, shares = np.array([[b"glioma", b"notumor"]]), np.array([[0.9, 0.1]])
    outputs = {
        "classes": classes,
        "probabilities": shares,
        "label": np.array([b"glioma"]),
        "confidence": np.array([0.9]),
        "in_distribution": np.array([False]),
        "refer": np.array([True]),
    }
    older = Classified.of("x.png", outputs)
    assert (older.reasons, older.doubt) == (None, "this does not look like a brain MRI")
    said = Classified.of("x.png", {**outputs, "reasons": np.array([b"one; two"])})
    assert (said.reasons, said.doubt) == ("one; two", "one; two")
    assert Classified.of("x.png", {**outputs, "reasons": np.array([b""])}).doubt is None


def test_the_classes_that_remain_possible_are_told_unless_the_image_is_foreign():
    outputs = {
        "classes": np.array([[b"glioma", b"notumor"]]),
        "probabilities": np.array([[0.4, 0.6]]),
        "label": np.array([b"notumor"]),
        "confidence": np.array([0.6]),
    }
    assert Classified.of("x.png", outputs).possible is None
    outputs |= {"prediction_set": np.array([[True, True]]), "set_level": np.float32([0.9])}
    said = Classified.of("x.png", outputs)
    assert said.prediction_set == ("notumor", "glioma")
    assert said.possible == "possible at a level of 0.9: notumor, glioma"
    foreign = Classified.of("x.png", {**outputs, "in_distribution": np.array([False])})
    assert (foreign.prediction_set, foreign.possible) == (said.prediction_set, None)
