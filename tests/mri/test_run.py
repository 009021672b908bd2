import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from registering import Registry
from toy_run import arguments, node_states, run

from mri.run import run_pipeline
from pipeline.config import Config
from pipeline.work import Work

pytestmark = pytest.mark.long


@pytest.mark.parametrize(("name", "code"), [("patient-salt", 1), ("runs", 2), ("tmp", 2)])
def test_what_cannot_be_written_before_the_first_node_is_a_sentence(
    name, code, make_folder, tmp_path
):
    work = tmp_path / "work"
    work.mkdir()
    if name == "patient-salt":
        (work / name).mkdir()
    else:
        (work / name).touch()
    result = run(make_folder(train=4, test=2), work)
    assert result.returncode == code
    assert result.stderr.startswith("mri: ")
    assert "Traceback" not in result.stderr


def test_another_run_in_the_folder_is_waited_for_where_that_is_asked(tmp_path):
    work = Work(tmp_path / "work")
    command = [sys.executable, "-m", "mri", *arguments(tmp_path / "nothing", work.root)]
    with work.shared():
        waiting = subprocess.Popen(
            [*command, "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert (
            waiting.stdout.readline() == f"another command is using {work.root}: waiting for it\n"
        )
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 2
    assert said.startswith("mri: There is no folder")


def test_a_run_of_some_nodes_belongs_to_the_run_that_it_continues(make_folder, tmp_path):
    data, other, work = make_folder(train=20, test=2), tmp_path / "other", tmp_path / "work"
    shutil.copytree(data, other)
    nothing = run(data, work, "--from", "SchemaGen")
    assert nothing.returncode == 2
    assert f"continues an earlier run, and {work} has none" in nothing.stderr

    first = run(data, work, "--to", "Ingest")
    assert first.returncode == 0, first.stderr
    too_far = run(data, work, "--from", "Trainer")
    assert too_far.returncode == 2
    assert "--from Trainer needs what SchemaGen makes" in too_far.stderr

    again = run(data, work, "--to", "SchemaGen")
    assert again.returncode == 0, again.stderr
    step = ("--from", "StatisticsGen", "--to", "StatisticsGen")
    refused = run(other, work, *step)
    assert refused.returncode == 2
    assert f"whose data was {data}; it is now {other}." in refused.stderr
    changed = run(data, work, *step, "--set", "ingest.eval_share=0.3")
    assert changed.returncode == 2
    assert re.search(
        r"whose Ingest config\.eval_share was 0\.\d+; it is now 0\.3\.", changed.stderr
    )
    link = tmp_path / "link"
    link.symlink_to(data, target_is_directory=True)
    gone_on = run(link, work, *step)
    assert gone_on.returncode == 0, gone_on.stderr
    assert node_states(gone_on.stdout)["Ingest"] == "reused"


@pytest.fixture
def unfinished(tmp_path) -> Path:
    """What is prepared beside the versions of a model."""
    folder = Registry(tmp_path / "work").base / ".1700000000.unfinished"
    folder.mkdir(parents=True)
    return folder


def _stop(*arguments: object, **options: object) -> NoReturn:
    raise KeyboardInterrupt


def test_a_run_that_is_stopped_before_it_has_finished_what_was_cut_off_leaves_that(
    unfinished, tmp_path, monkeypatch
):
    monkeypatch.setattr("mri.run.list_data", _stop)
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(Config(data=tmp_path), tmp_path / "work")
    assert unfinished.is_dir()


def test_a_run_that_is_stopped_after_that_leaves_nothing_half_made(
    unfinished, tmp_path, monkeypatch
):
    def compile_and_stop(*arguments: object) -> NoReturn:
        unfinished.mkdir(parents=True, exist_ok=True)
        _stop()

    monkeypatch.setattr("mri.run.list_data", lambda *_, **__: None)
    monkeypatch.setattr("mri.run.check_classes", lambda *_: None)
    monkeypatch.setattr("mri.run._fetch_weights", lambda *_: None)
    monkeypatch.setattr("pipeline.local_runner._compile", compile_and_stop)
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(Config(data=tmp_path), tmp_path / "work")
    assert not unfinished.exists()
