"""Results that are there already are of what is in the files now."""

import csv
import errno
import os
from pathlib import Path

import pytest
from drawing import draw, encode
from small_model import brightness_answer, save

from components.errors import PipelineError
from mri.batch.inputs import list_files
from mri.batch.shards import run_batch

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "7")


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(4):
        (folder / f"{index}.png").write_bytes(encode(draw(index)))
    return folder


def _run(images: Path, out: Path, model: Path) -> tuple[list[dict[str, str]], list[bool]]:
    """The rows of all shards, of two files each, and which shards were there before."""
    files = list_files(str(images), out)
    shards = run_batch(out, files, model, shard_size=2, format="csv", batch_size=16)
    there = [shard.there for shard in shards]
    rows = []
    for shard in sorted(out.glob("*.csv")):
        with shard.open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return rows, there


def _glioma(row: dict[str, str]) -> float:
    return float(row["probabilities"].split('"glioma": ')[1].split(",")[0])


@pytest.mark.parametrize("keeps_times", [False, True])
def test_a_file_that_was_replaced_is_classified_anew(images, model, tmp_path, keeps_times):
    rows, there = _run(images, tmp_path / "out", model)
    assert there == [False, False]
    assert _run(images, tmp_path / "out", model) == (rows, [True, True])

    replaced = images / "3.png"
    status = replaced.stat()
    replaced.write_bytes(encode(draw(99)).ljust(status.st_size, b"\0"))
    if keeps_times:
        os.utime(replaced, ns=(status.st_atime_ns, status.st_mtime_ns))
    again, there = _run(images, tmp_path / "out", model)
    assert there == [True, False]
    assert again[:3] == rows[:3]
    assert _glioma(again[3]) == pytest.approx(brightness_answer(draw(99)), abs=1e-5)


def test_a_file_that_was_only_touched_is_not(images, model, tmp_path):
    rows, _ = _run(images, tmp_path / "out", model)
    for file in images.iterdir():
        os.utime(file, ns=(1, 1))
    assert _run(images, tmp_path / "out", model) == (rows, [True, True])


def test_a_file_that_may_be_read_by_now_is_classified(images, model, tmp_path, monkeypatch):
    real = os.open

    def closed(path, *how, **more):
        if str(path).endswith("1.png"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, *how, **more)

    monkeypatch.setattr("imaging.reader.os.open", closed)
    rows, _ = _run(images, tmp_path / "out", model)
    assert rows[1]["error"] == "cannot be read: Permission denied"
    monkeypatch.undo()
    rows, there = _run(images, tmp_path / "out", model)
    assert there == [False, True]
    assert rows[1]["error"] == ""


def test_rows_of_what_was_there_in_between_are_not_served(images, model, tmp_path, monkeypatch):
    rows, _ = _run(images, tmp_path / "out", model)
    changed, content = images / "3.png", (images / "3.png").read_bytes()
    changed.write_bytes(encode(draw(99)))

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("mri.batch.shards._record", fail)
    with pytest.raises(PipelineError, match="not finished"):
        _run(images, tmp_path / "out", model)
    monkeypatch.undo()
    changed.write_bytes(content)
    assert _run(images, tmp_path / "out", model) == (rows, [True, False])


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_what_the_machine_cannot_read_now_is_no_result(
    images, model, tmp_path, monkeypatch, number
):
    real = os.open

    def failing(path, *how, **more):
        if str(path).endswith("2.png"):
            raise OSError(number, os.strerror(number), path)
        return real(path, *how, **more)

    monkeypatch.setattr("imaging.reader.os.open", failing)
    with pytest.raises(
        PipelineError, match=rf"{os.strerror(number)}.*continues from what is complete"
    ):
        _run(images, tmp_path / "out", model)
    monkeypatch.undo()
    rows, there = _run(images, tmp_path / "out", model)
    assert there == [True, False]
    assert not any(row["error"] for row in rows)
