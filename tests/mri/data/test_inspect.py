"""`mri data inspect` on small folders, from the files to the terminal, the JSON and the page."""

import csv
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import typer
from drawing import draw, encode
from looking import folder_of_looks

from components.disclaimer import DISCLAIMER
from components.errors import PipelineError
from mri.data.inspect import inspect_folder

pytestmark = pytest.mark.long


def _spoil(folder: Path) -> None:
    """Puts copies on both sides of the split, one under another label, and files that are none."""
    copied = folder / "Training" / "glioma" / "000.png"
    (folder / "Testing" / "glioma" / "copy.png").write_bytes(copied.read_bytes())
    mirrored = np.ascontiguousarray(draw(2)[:, ::-1])  # the second training image of glioma
    (folder / "Testing" / "notumor" / "mirror.png").write_bytes(encode(mirrored))
    (folder / "Testing" / "notumor" / "notes.txt").write_text("not an image")
    (folder / "Training" / "notumor" / "empty.png").write_bytes(b"")


def _json(capfd, folder: Path, **options) -> dict:
    inspect_folder(folder, as_json=True, **options)
    return json.loads(capfd.readouterr().out)


@pytest.fixture
def spoiled(make_folder, tmp_path, monkeypatch) -> Path:
    folder = make_folder()
    _spoil(folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


def test_json_has_the_figures_and_writes_no_page(spoiled, capfd):
    found = _json(capfd, spoiled)
    assert (found["found"], found["ingested"], found["rejected"]) == (36, 34, 2)
    assert found["classes"] == {"glioma": 17, "notumor": 17}
    assert (found["exact_cross_split"], found["near_cross_split"]) == (1, 2)
    assert found["label_conflicts"] == 1
    assert found["formats"] == {"PNG": 34}
    assert sum(found["reasons"].values()) == 2
    assert found["page"] is None
    assert found["notice"] == DISCLAIMER
    assert list(Path().iterdir()) == []


def test_the_terminal_tells_it_and_the_page_is_in_the_current_folder(spoiled, capfd):
    inspect_folder(spoiled)
    said = " ".join(capfd.readouterr().out.split())
    assert "36 files, 34 usable, 2 rejected" in said
    assert "2 of 10 test images (20.0%)" in said
    assert "1 group of matching images" in said
    assert "images-inspection.html" in said
    assert DISCLAIMER in said
    written = sorted(path.name for path in Path().iterdir())
    assert written == ["images-inspection.csv", "images-inspection.html"]


def test_the_page_numbers_files_and_a_table_beside_it_names_them(spoiled):
    inspect_folder(spoiled)
    page = Path("images-inspection.html").read_text()
    with Path("images-inspection.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    assert not any(Path(row["name"]).name in page for row in rows)
    numbers = {row["name"].rpartition("/")[2]: row["number"] for row in rows}
    assert numbers["notes.txt"] in ("file 1", "file 2")
    for name in ("copy.png", "mirror.png", "notes.txt"):
        assert numbers[name] in page


def test_looks_that_tell_the_class_are_told(tmp_path, capfd, monkeypatch):
    folder = folder_of_looks(tmp_path / "looks", balanced=False)
    monkeypatch.chdir(tmp_path)
    inspect_folder(folder)
    said = " ".join(capfd.readouterr().out.split())
    assert "Looks of the training images, by class" in said
    assert "levels alone distinguish glioma from the rest with accuracy" in said
    page = Path("looks-inspection.html").read_text()
    assert "all are notumor: a model cannot know" in page
    assert "A training image of this look" in page
    evidence = _json(capfd, folder)["evidence"]
    assert sum(look["groups"]["glioma"] for look in evidence["looks"]) == 44
    assert "examples" not in evidence["looks"][0]


def test_libraries_reach_neither_output_nor_error(spoiled):
    program = (
        "from pathlib import Path; from mri.data.inspect import inspect_folder\n"
        f"inspect_folder(Path({str(spoiled)!r}), as_json=True)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout)["found"] == 36
    assert result.stderr == ""


def test_json_with_a_page(spoiled, capfd):
    assert _json(capfd, spoiled, html=Path("page.html"))["page"] == "page.html"
    assert Path("page.html").read_text().startswith("<!doctype html>")


def test_an_older_page_is_replaced(spoiled, capfd):
    Path("page.html").write_text("old")
    inspect_folder(spoiled, html=Path("page.html"))
    assert "old" not in Path("page.html").read_text()[:100]
    assert sorted(path.name for path in Path().iterdir()) == ["page.csv", "page.html"]


@pytest.mark.parametrize("html", ["nowhere/page.html", "images", "x" * 300])
def test_a_page_that_cannot_be_written_is_told_before_the_work(
    make_folder, monkeypatch, tmp_path, html
):
    monkeypatch.chdir(make_folder().parent)
    monkeypatch.setattr("mri.data.inspect._inspect", lambda *_, **__: pytest.fail("worked"))
    with pytest.raises(PipelineError, match="--html"):
        inspect_folder(Path("images"), html=Path(html))
    assert [path.name for path in Path().iterdir()] == ["images"]


def test_no_half_page_is_left_if_the_work_fails(make_folder, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise PipelineError("stopped")

    monkeypatch.chdir(make_folder().parent)
    monkeypatch.setattr("mri.data.inspect._inspect", fail)
    with pytest.raises(PipelineError, match="stopped"):
        inspect_folder(Path("images"))
    assert [path.name for path in Path().iterdir()] == ["images"]


@pytest.mark.parametrize(
    ("folders", "says"),
    [
        ([], "There is no folder"),
        (["data"], "0 class folders"),
        (["data/glioma"], "1 class folder"),
        (["data/glioma", "data/notumor"], "hold no file"),
    ],
)
def test_folders_with_nothing_to_inspect(tmp_path, monkeypatch, folders, says):
    monkeypatch.chdir(tmp_path)
    for folder in folders:
        Path(folder).mkdir(parents=True)
    with pytest.raises(PipelineError, match=says):
        inspect_folder(Path("data"))
    assert not list(tmp_path.glob("*.html"))


def test_a_folder_name_that_no_disk_could_hold():
    with pytest.raises(PipelineError, match="There is no folder"):
        inspect_folder(Path("x" * 300), as_json=True)


def test_chosen_classes_are_read_and_others_rejected(make_folder, capfd):
    folder = make_folder(("glioma", "notumor", "other"))
    found = _json(capfd, folder, classes="notumor, glioma")
    assert set(found["classes"]) == {"glioma", "notumor"}
    assert found["rejected"] == 16


@pytest.mark.parametrize("classes", ["", "glioma", "glioma,glioma", "glioma,,notumor"])
def test_class_names_that_make_no_sense(make_folder, classes):
    with pytest.raises(PipelineError, match="--classes glioma,notumor"):
        inspect_folder(make_folder(), classes=classes, as_json=True)


def test_without_a_test_folder_there_is_nothing_across(tmp_path, capfd):
    for label in ("glioma", "notumor"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(4):
            (tmp_path / "data" / label / f"{index}.png").write_bytes(encode(draw(index)))
    found = _json(capfd, tmp_path / "data")
    assert (found["exact_cross_split"], found["near_cross_split"]) == (0, 0)
    assert found["label_conflicts"] == 4
    assert found["splits"] == {"train": {"glioma": 4, "notumor": 4}}


def test_hostile_names_harm_neither_terminal_nor_page_nor_json(make_folder, tmp_path, capfd):
    names = [b"<script>alert(1)", b"two\nlines", b"\x1b[31mred", b"caf\xe9", b" ", b":bomb:"]
    folder = make_folder(("glioma", "notumor", "[bold]<i>"))
    for number, name in enumerate(map(os.fsdecode, names)):
        for label in (name, "glioma"):
            place = folder / "Training" / label
            place.mkdir(exist_ok=True)
            (place / name).write_bytes(encode(draw(100 + number)))
    inspect_folder(folder, html=tmp_path / "page.html")
    out = capfd.readouterr().out
    page = (tmp_path / "page.html").read_text()
    for text in (out, page):
        assert "\x1b[31m" not in text
        assert "\\x1b[31mred" in text
        assert "two\\nlines" in text
    assert "[bold]<i>" in out
    assert ":bomb:" in out
    assert "<script>" not in page
    found = _json(capfd, folder)
    # Folders that no class can be named after are rejected: undecodable, and blank.
    assert found["found"] == found["ingested"] + found["rejected"]
    assert found["rejected"] == 2


@pytest.mark.slow
def test_real_images_leak_as_is_known(real_images, capfd):
    found = _json(capfd, real_images)
    assert found["found"] == found["ingested"] == 6364
    assert found["near_cross_split"] == pytest.approx(490, abs=15)
    assert 0 < found["exact_cross_split"] < found["near_cross_split"]


def test_a_folder_of_nothing_but_bad_files(tmp_path, capfd):
    for label in ("glioma", "notumor"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "bad.png").write_bytes(b"not an image")
    with pytest.raises(typer.Exit):
        inspect_folder(tmp_path / "data", as_json=True, html=tmp_path / "page.html")
    found = json.loads(capfd.readouterr().out)
    assert (found["found"], found["ingested"], found["rejected"]) == (2, 0, 2)
    assert found["classes"] == {"glioma": 0, "notumor": 0}
    assert "No image could be used." in (tmp_path / "page.html").read_text()


def test_all_spans_are_read(make_folder, tmp_path, capfd):
    for number in (1, 2):
        make_folder(name=f"spans/span-{number:03}")
    found = _json(capfd, tmp_path / "spans")
    assert found["found"] == 64


def test_what_is_in_the_folder_besides_is_said(spoiled, capfd):
    (spoiled / "Training" / "glioma" / "Thumbs.db").write_bytes(b"x")
    (spoiled / "__MACOSX").mkdir()
    inspect_folder(spoiled)
    said = " ".join(capfd.readouterr().out.split())
    assert (
        "36 files, 34 usable, 2 rejected; 34 images; 2 left behind by systems and skipped" in said
    )
    assert "2 left behind by systems and skipped" in Path("images-inspection.html").read_text()


def test_a_table_names_the_classes(spoiled, tmp_path, capfd):
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nTraining/glioma,tumour\nTesting/glioma,tumour\nTesting,none\n")
    found = _json(capfd, spoiled, labels=table)
    assert found["classes"] == {"none": 5, "tumour": 17}
    assert (found["found"], found["rejected"], found["unnamed"]) == (23, 1, 13)
    with pytest.raises(PipelineError, match="line 4: the label 'none' is not one of"):
        inspect_folder(spoiled, labels=table, classes="tumour,other")


@pytest.mark.parametrize(("content", "usable"), [(b"no image", False), (None, True)])
def test_it_says_whether_any_file_can_be_used(make_folder, content, usable):
    folder = make_folder()
    for path in folder.rglob("*.*") if content else ():
        path.write_bytes(content)
    with nullcontext() if usable else pytest.raises(typer.Exit):
        inspect_folder(folder, as_json=True)
