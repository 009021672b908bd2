import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest
import recorded_graphs
from dicom_files import dataset, encoded, head
from drawing import draw, encode
from recorded_graphs import RECORDING
from small_model import brightness_answer, save
from toy_run import mri

from components.errors import PipelineError
from imaging.leftovers import Leftovers
from mri.batch.inputs import list_files
from mri.batch.shards import run_batch

pytestmark = pytest.mark.long

_KILLED_BATCH = Path(__file__).parents[2] / "fixtures" / "killed_batch.py"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "7")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Seven good files and the bad ones that a folder may hold."""
    root = tmp_path_factory.mktemp("images")
    (root / "a").mkdir()
    for index in range(5):
        (root / "a" / f"{index}.png").write_bytes(encode(draw(index)))
    (root / "b.jpg").write_bytes(encode(draw(9), "JPEG"))
    (root / "c.dcm").write_bytes(encoded(dataset(np.stack([head(seed) for seed in range(3)]))))
    (root / "cut.png").write_bytes(encode(draw(1))[:200])
    (root / "empty.png").touch()
    (root / "text.png").write_bytes(b"no image")
    (root / "gone.png").symlink_to(root / "nowhere")
    (root / ".hidden.png").write_bytes(b"no image")
    return root


def _rows(out: Path) -> list[dict]:
    return ds.dataset(out).to_table().to_pylist()


def _batch(images: object, out: Path, model: Path, *more: str) -> subprocess.CompletedProcess:
    return mri("batch", str(images), str(out), "--model", str(model), *more)


@pytest.fixture(scope="module")
def whole(images, model, tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """A batch in three shards that nothing cut off, and what it said."""
    out = tmp_path_factory.mktemp("whole") / "out"
    return _batch(images, out, model, "--shard-size", "4", "--batch-size", "3"), out


def test_every_file_has_a_row_and_a_bad_one_its_error(whole):
    result, out = whole
    assert result.returncode == 0, result.stderr
    assert "11 files, 7 classified, 4 with an error; model 7" in result.stdout
    rows = _rows(out)
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    by_name = {Path(row["path"]).name: row for row in rows}
    assert {name for name, row in by_name.items() if row["error"]} == {
        "cut.png", "empty.png", "gone.png", "text.png"
    }  # fmt: skip
    for index in range(5):
        row = by_name[f"{index}.png"]
        probabilities = dict(row["probabilities"])
        assert probabilities["glioma"] == pytest.approx(brightness_answer(draw(index)), abs=1e-5)
        assert row["label"] == max(probabilities, key=probabilities.get)
        assert (row["in_distribution"], row["error"], row["reasons"]) == (True, None, None)
    of_frames = [(by_name[name]["frame"], by_name[name]["frames"])
                 for name in ("0.png", "text.png")]  # fmt: skip
    assert of_frames == [(0, 1), (None, None)]
    volume, *frames = [row for row in rows if Path(row["path"]).name == "c.dcm"]
    assert [(row["frame"], row["frames"], row["slices"]) for row in frames] == [
        (number, 3, None) for number in range(3)
    ]
    assert (volume["frame"], volume["frames"], volume["slices"]) == (None, 3, 3)
    for name, mean in volume["probabilities"]:
        assert mean == pytest.approx(np.mean([dict(row["probabilities"])[name] for row in frames]))
    assert by_name["text.png"]["label"] is None
    assert not list(out.glob(".*"))


def test_a_killed_run_goes_on_with_what_is_left(images, model, whole, tmp_path):
    out = tmp_path / "out"
    killed = subprocess.run(
        [sys.executable, str(_KILLED_BATCH), "1", "batch", str(images), str(out),
         "--model", str(model), "--shard-size", "4"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    done = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*")}
    assert len(done) == 1
    result = _batch(images, out, model, "--shard-size", "4")
    assert "there already: 1 of 3 shards" in result.stdout
    assert {name: (out / name).stat().st_mtime_ns for name in done} == done
    assert _rows(out) == _rows(whole[1])


@pytest.mark.parametrize(("good", "code"), [(0, 1), (1, 0)])
def test_it_fails_where_not_one_file_could_be_classified(model, tmp_path, good, code):
    images = tmp_path / "images"
    images.mkdir()
    (images / "text.png").write_bytes(b"no image")
    (images / "empty.png").touch()
    for index in range(good):
        (images / f"{index}.png").write_bytes(encode(draw(index)))
    for _ in range(2):  # a second time all is there already
        result = _batch(images, tmp_path / "out", model)
        assert result.returncode == code, result.stderr
        assert f"{good} classified, 2 with an error" in result.stdout
        assert len(_rows(tmp_path / "out")) == 2 + good


def _here(
    source: object, out: Path, model: Path, shard_size: int = 256, format: str = "csv", **more
):
    """The same without the command."""
    files = list_files(str(source), out)
    given = {"shard_size": shard_size, "format": format, "batch_size": 16, **more}
    return list(run_batch(out, files, model, **given))


def test_an_engine_does_all_shards_in_one_job_and_those_that_are_there_not_again(
    images, model, whole, tmp_path, monkeypatch
):
    sizes: list[int] = []
    monkeypatch.setattr(recorded_graphs, "SIZES", sizes)
    monkeypatch.chdir(images.parent)
    given = {"shard_size": 4, "format": "parquet", "beam_options": RECORDING}
    done = _here(images, tmp_path / "out", model, **given)
    assert [shard.there for shard in done] == [False] * 3
    assert len(sizes) == 1
    assert _rows(tmp_path / "out") == _rows(whole[1])
    next((tmp_path / "out").glob("shard-00001-*")).unlink()
    again = _here(images, tmp_path / "out", model, **given)
    assert sorted(shard.there for shard in again) == [False, True, True]
    assert _rows(tmp_path / "out") == _rows(whole[1])
    assert not list((tmp_path / "out").glob("_plan*"))


def test_other_results_in_the_folder_are_not_mixed_with(images, model, tmp_path):
    out = tmp_path / "out"
    _here(images / "a", out, model)
    for more in ({"shard_size": 2}, {"format": "parquet"}):
        with pytest.raises(PipelineError, match="holds the results of"):
            _here(images / "a", out, model, **more)
    with pytest.raises(PipelineError, match="another listing and another model"):
        _here(images, out, save(tmp_path / "8", bias=1.0))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(PipelineError, match="holds other files"):
        _here(images, tmp_path / "other", model)


def test_csv_globs_lists_and_names_that_are_no_text(images, model, tmp_path):
    odd = tmp_path / "odd" / os.fsdecode(b'odd \xff,"\n.png')
    odd.parent.mkdir()
    odd.write_bytes(encode(draw(3)))
    listing = tmp_path / "list.txt"
    listing.write_text(f"{images}/a/0.png\n\n{images}/none.png\n")
    for source, count in ((f"{images}/**/*.png", 9), (listing, 2), (odd.parent, 1)):
        out = tmp_path / f"out{count}"
        _here(source, out, model)
        with (out / "shard-00000-of-00001.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == count
    assert rows[0]["path"] == f'{tmp_path}/odd/odd \\xff,"\n.png'
    assert json.loads(rows[0]["probabilities"])["glioma"] > 0
    assert (rows[0]["in_distribution"], rows[0]["error"]) == ("true", "")


@pytest.mark.parametrize("source", ["scans", "scans/**/*", "linked/*", "linked/**/*.*"])
def test_results_below_the_images_are_no_images(tmp_path, monkeypatch, source):
    """Otherwise the same command could not go on: its listing would be another."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans" / "a").mkdir(parents=True)
    (tmp_path / "linked").symlink_to("scans")
    for name in ("0.png", "a/1.png"):
        (tmp_path / "scans" / name).touch()
    before = list_files(source, Path("scans/results"))
    (tmp_path / "scans" / "results" / "more").mkdir(parents=True)
    for name in ("shard-00000-of-00001.csv", "_batch.json", "more/x.png"):
        (tmp_path / "scans" / "results" / name).touch()
    assert list_files(source, Path("scans/results")) == before
    assert before[0].endswith("/0.png")


def test_a_folder_that_cannot_be_read_is_not_passed_over(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "0.png").touch()
    scandir = os.scandir

    def refusing(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(PipelineError, match=r"The folder .*closed cannot be read: Permission den"):
        list_files(str(tmp_path), tmp_path / "out")


def test_a_model_that_cannot_be_read_is_said(images, model, tmp_path):
    broken = tmp_path / "8"
    shutil.copytree(model, broken)
    (broken / "variables" / "more").symlink_to("nowhere")
    with pytest.raises(PipelineError, match="The model .*8 cannot be read: .*No such file"):
        _here(images, tmp_path / "out", broken)


def test_a_full_disk_is_said_and_leaves_no_half_shard(images, model, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mri.batch.rows.os.fsync", full)
    with pytest.raises(PipelineError, match="No space left on device.*continues"):
        _here(images / "a", tmp_path / "out", model)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["_batch.json"]


@pytest.mark.parametrize(
    ("source", "words"),
    [("nowhere", "There is no nowhere"), ("*.nothing", "There is no file"), (".", "no SavedModel")],
)
def test_what_cannot_begin_says_why(source, words, tmp_path):
    result = mri("batch", source, str(tmp_path / "out"), "--model", str(tmp_path))
    assert result.returncode == 2
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["w [4]", "w*", "w?", "[!a]", "{a}", "-w", "é\n"])
def test_folders_of_a_pattern_are_meant_as_they_are_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for folder in (name, "w 4", "wa", "b"):
        (tmp_path / folder / "in [1]").mkdir(parents=True)
        (tmp_path / folder / "in [1]" / f"{folder}.png").touch()
    for pattern in ("*/*.png", "in [1]/*", "in [1]", "in [1]/" + name + ".png"):
        for source in (f"{name}/{pattern}", f"{tmp_path}/{name}/{pattern}"):
            [found] = list_files(source, tmp_path / "out")
            assert Path(found).absolute() == tmp_path / name / "in [1]" / f"{name}.png"


@pytest.mark.parametrize("pattern", ["", "/**/*", "/*/*.png"])
def test_what_systems_left_is_passed_over_and_counted(tmp_path, pattern):
    for name in ("__MACOSX/a/0.png", "b/1.png", "b/Thumbs.db", "b/2.png.part", "b/__MACOSX/3.png"):
        path = tmp_path / "#recycle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    leftovers = Leftovers()
    named = tmp_path / "#recycle"  # by whoever asks for it
    files = list_files(f"{named}{pattern}", tmp_path / "out", leftovers)
    assert files == [str(named / "b" / "1.png")]
    assert leftovers.count == {"": 4, "/**/*": 2, "/*/*.png": 0}[pattern]
