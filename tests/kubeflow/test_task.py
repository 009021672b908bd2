"""What a task says where the cluster is not as the compiled file expects it."""

import fcntl
import os
from dataclasses import replace

import pytest
import yaml

from components.errors import PipelineError
from kubeflow import task
from kubeflow.parameters import RunParameters
from kubeflow.task import mounted, run_task
from pipeline.config import Config
from pipeline.node_ids import INGEST, TRAINER
from pipeline.work import Work

pytestmark = pytest.mark.long


def test_storage_that_is_not_mounted_or_read_only(tmp_path, monkeypatch):
    with pytest.raises(PipelineError, match="the shared storage is not mounted in this task"):
        mounted(tmp_path / "nowhere")
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    with pytest.raises(PipelineError, match="the shared storage is mounted read-only"):
        mounted(tmp_path)


@pytest.fixture(scope="module")
def told(toy) -> dict[str, str]:
    """What a task of the compiled pipeline is told."""
    [spec, _platform] = yaml.safe_load_all(toy.file.read_text())
    executors = spec["deploymentSpec"]["executors"].values()
    words = next(
        container["args"]
        for container in (executor["container"] for executor in executors)
        if f"--node={TRAINER}" in container["args"]
    )
    options = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    return {name: options[name] for name in ("graph", "config")}


@pytest.fixture
def _graph_is_there(toy, monkeypatch):
    """Spares a test, to which it does not matter, the making of TFX's graph."""
    monkeypatch.setattr("pipeline.graph.create_pipeline", lambda *_: None)
    monkeypatch.setattr(task, "compile_pipeline", lambda _: toy.graph)


def _run(node: str, work: Work, told: dict[str, str], **more: str) -> None:
    told = {**told, **more}
    parameters = RunParameters.of(Config.model_validate_json(told["config"]))
    parameters = replace(parameters, data="incoming")  # or the sample would be drawn
    run_task(node, "a-run", work, told["config"], told["graph"], parameters)


def test_a_pipeline_root_that_the_tasks_do_not_share(tmp_path, told):
    work = Work(tmp_path)
    with pytest.raises(PipelineError, match=r"must be storage that all tasks share, such as one"):
        _run(TRAINER, work, told)
    assert not work.runs.exists()


@pytest.mark.usefixtures("_graph_is_there")
def test_storage_that_another_command_has_for_itself_is_waited_for(
    tmp_path, told, capsys, monkeypatch
):
    lock = (tmp_path / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)

    def say_and_let_go(*words: str) -> None:
        say(*words)
        lock.close()

    say = task._say
    monkeypatch.setattr(task, "_say", say_and_let_go)
    with pytest.raises(PipelineError, match="must be storage that all tasks share"):
        _run(TRAINER, Work(tmp_path), told)
    assert f"Trainer: another run is using {tmp_path}: waiting for it\n" in capsys.readouterr().err


@pytest.mark.usefixtures("_graph_is_there")
def test_an_image_with_another_pipeline(tmp_path, told):
    with pytest.raises(PipelineError, match="compile it again with the package that is in the im"):
        _run(INGEST, Work(tmp_path), told, graph="0" * 64)


def test_a_database_that_does_not_answer(tmp_path, told, monkeypatch):
    monkeypatch.setenv("MRI_METADATA", "postgresql://me:secret@127.0.0.1:1/mlmd")
    with pytest.raises(PipelineError, match=r"127\.0\.0\.1:1/mlmd cannot be opened") as refused:
        _run(INGEST, Work(tmp_path), told)
    assert "secret" not in str(refused.value)
