"""Paths that libraries cannot hold are refused in a sentence, before anything is written."""

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from drawing import draw, encode
from toy_run import mri

from components.errors import PipelineError
from mri.predictor import classify_image, load_saved_model
from pipeline.paths import demand_text
from pipeline.work import Work
from serving.client import prepare_image

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", ["w [4]", "w]", "w*", "w?", "w\\\\b", "w\\xff", "w/" * 2_000])
def test_a_work_folder_that_cannot_be_one_is_refused(tmp_path, name):
    with pytest.raises(PipelineError, match="work folder") as caught:
        Work(tmp_path / os.fsdecode(name.encode("latin-1")))
    str(caught.value).encode()  # whatever is in it can be printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["w {4}", "w %s", "w #'\"$", "é𝛼", "a\nb", "-w", " ", "a:b", "~"])
def test_all_others_can(tmp_path, name):
    work = Work(tmp_path / name)
    with work.exclusively():
        assert work.temporary.is_dir()


@pytest.mark.parametrize(
    "command", [["run"], ["clean", "--keep", "1"], ["models", "list"], ["serve"]]
)
def test_commands_say_it_at_the_start(tmp_path, command):
    result = mri(*command, "--work", str(tmp_path / "w [4]"))
    assert result.returncode == 2
    assert "has [ ] in its path, which TensorFlow and Beam take for a pattern" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_way_up_out_of_such_a_folder_is_none(tmp_path):
    (tmp_path / "w [4]").mkdir()
    assert Work(tmp_path / "w [4]" / ".." / "work").root == tmp_path.resolve() / "work"


def test_data_that_are_not_utf_8_are_refused_before_a_run(tmp_path):
    with pytest.raises(PipelineError, match=r"data .*\\xff is not UTF-8"):
        demand_text(tmp_path / os.fsdecode(b"\xff"), "data folder")
    result = mri("run", "--work", str(tmp_path), "--data", os.fsdecode(bytes(tmp_path) + b"/\xff"))
    assert result.returncode == 2
    assert "is not UTF-8" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["m [4]", "m*", "m\\b", "é {a} %s"])
def test_a_model_may_lie_anywhere(tmp_path: Path, name: str) -> None:
    from small_model import save

    image = tmp_path / "scan [1]*.png"
    image.write_bytes(encode(draw(1)))
    model = load_saved_model(save(tmp_path / name / "3"))
    assert classify_image(model, str(image), prepare_image(image)).label in ("glioma", "notumor")


def test_predict_and_batch_in_folders_of_odd_names(tmp_path):
    from small_model import save

    odd = "[4]*?{a} %s é𝛼 #'\"$HOME \\ :ok: [b] -\n-"
    work = tmp_path / "w {a} %s é𝛼 #'\"$HOME :ok: ,;~ \n-"
    version = save(work / "serving" / "brain_mri" / "3")
    image = tmp_path / odd / "in" / f"{odd}.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(encode(draw(1)))
    result = mri("predict", "--json", "--work", str(work), str(image))
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert (answer["model"], answer["predictions"][0]["image"]) == (str(version), str(image))
    for number, source in enumerate((tmp_path / odd, f"{tmp_path / odd}/*/*.png", image)):
        out = tmp_path / f"out {number} {odd}"
        result = mri("batch", str(source), str(out), "--work", str(work))
        assert result.returncode == 0, result.stdout + result.stderr
        [shard] = out.glob("*.parquet")
        assert pq.read_table(shard)["path"].to_pylist() == [str(image)]
