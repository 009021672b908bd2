"""What a task says where the cluster is not as the compiled file expects it."""

import errno
import fcntl
import os
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from bucket_server import BUCKET
from ml_metadata.proto import metadata_store_pb2 as pb

from components.errors import PipelineError, UsageError
from components.gate.verdict import DataVerdict, Finding
from components.ingest.config import DATA_COPY_VARIABLE
from kubeflow import node
from kubeflow.node import may_pass, mounted, run_task
from kubeflow.parameters import RunParameters
from pipeline.config import Config
from pipeline.database import DatabaseAwayError, connect, connection_config
from pipeline.launch import NodeResult
from pipeline.node_ids import INGEST, TRAINER
from pipeline.work import Work

pytestmark = pytest.mark.long


def test_storage_that_is_not_mounted_or_read_only(tmp_path, monkeypatch):
    with pytest.raises(PipelineError, match="the shared storage is not mounted in this task"):
        mounted(tmp_path / "nowhere")
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(PipelineError, match="the shared storage is mounted read-only"):
        mounted(tmp_path)


def test_storage_that_belongs_to_somebody_else_says_to_whom(tmp_path, monkeypatch):
    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    owner = tmp_path.stat()
    says = (
        rf"it belongs to user {owner.st_uid} and group {owner.st_gid} \(mode 755\), and this task "
        r"is user 1000\. Kubeflow sets no fsGroup: .* \(chown 1000:1000\)"
    )
    with pytest.raises(PipelineError, match=says):
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
    monkeypatch.setattr(node, "compile_pipeline", lambda _: toy.graph)


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

    say = node.say
    monkeypatch.setattr(node, "say", say_and_let_go)
    with pytest.raises(PipelineError, match="must be storage that all tasks share"):
        _run(TRAINER, Work(tmp_path), told)
    assert (
        f"Trainer: another command is using {tmp_path}: waiting for it\n" in capsys.readouterr().err
    )


def test_images_in_a_bucket_are_here_while_ingest_runs_and_only_then(
    toy, tmp_path, told, bucket_server, monkeypatch
):
    bucket_server.put("scans/Training/glioma/1.png", b"image")
    copies: dict[str, Path | None] = {}

    def launch(ir: object, node_id: str, *_: object) -> None:
        copy = os.environ.get(DATA_COPY_VARIABLE)
        copies[node_id] = Path(copy) if copy else None
        if copy:
            assert Path(copy, "Training/glioma/1.png").read_bytes() == b"image"

    monkeypatch.setattr(node, "launch_node", launch)
    work = Work(tmp_path)
    monkeypatch.setattr(node, "_run_graph", lambda *_, **__: toy.graph)
    parameters = RunParameters.of(Config.model_validate_json(told["config"]))
    parameters = replace(parameters, data=f"s3://{BUCKET}/scans")
    for name in (INGEST, "SchemaGen"):
        run_task(name, "a-run", work, told["config"], told["graph"], parameters)
    assert copies["SchemaGen"] is None
    assert copies[INGEST].name == "scans"
    assert not copies[INGEST].exists()
    assert work.root not in copies[INGEST].parents


@pytest.mark.usefixtures("_graph_is_there")
def test_an_image_with_another_pipeline(tmp_path, told):
    with pytest.raises(PipelineError, match="compile it again with the package that is in the im"):
        _run(INGEST, Work(tmp_path), told, graph="0" * 64)


def test_a_database_that_does_not_answer(tmp_path, told, monkeypatch):
    monkeypatch.setenv("MRI_METADATA_PATIENCE", "0")
    monkeypatch.setenv("MRI_METADATA", "postgresql://me:secret@127.0.0.1:1/mlmd")
    with pytest.raises(PipelineError, match=r"127\.0\.0\.1:1/mlmd cannot be opened") as refused:
        _run(INGEST, Work(tmp_path), told)
    assert "secret" not in str(refused.value)


def test_a_patience_that_is_none(tmp_path, told, monkeypatch):
    monkeypatch.setenv("MRI_METADATA_PATIENCE", "5m")
    with pytest.raises(PipelineError, match="MRI_METADATA_PATIENCE=5m is not a number of seconds"):
        _run(INGEST, Work(tmp_path), told)


def _after(error, cause):
    error.__cause__ = cause
    return error


STALE = OSError(errno.ESTALE, os.strerror(errno.ESTALE))


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (STALE, True),
        (_after(PipelineError("the storage is not there: run again."), STALE), True),
        (
            RuntimeError("OSError: [Errno 116] Stale file handle [while running X]"),
            True,
        ),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), True),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (_after(UsageError("a wrong value: Connection refused"), STALE), False),
        (_after(DatabaseAwayError("Connection refused"), STALE), False),
        (ValueError("a defect"), False),
    ],
    ids=str,
)
def test_which_failures_may_pass(error, passes):
    assert may_pass(error) is passes


def test_weights_are_looked_for_on_the_volume(toy, tmp_path):
    from compiled import MOUNT, compile_toy

    from kubeflow.cluster import Cluster

    def places(file):
        [spec, _platform] = yaml.safe_load_all(file.read_text())
        for executor in spec["deploymentSpec"]["executors"].values():
            for variable in executor["container"]["env"]:
                if variable["name"] == "BRAIN_MRI_CACHE":
                    yield variable["value"]

    assert set(places(toy.file)) == {f"{MOUNT}/cache"}
    cluster = Cluster(environment={"BRAIN_MRI_CACHE": "/opt/brain-mri"})
    elsewhere = compile_toy(tmp_path / "elsewhere.yaml", cluster=cluster)
    assert set(places(elsewhere)) == {"/opt/brain-mri"}


@pytest.fixture
def stopped(tmp_path):
    """What the gate came to that stops a run."""
    finding = Finding(
        name="missing_class",
        severity="stop",
        found="There is no image of glioma.",
        expected="images of each class",
        action="add some",
    )
    folder = tmp_path / "verdict"
    folder.mkdir()
    DataVerdict(outcome="stopped", source="incoming", span=1, findings=(finding,)).write(folder)
    verdict = pb.Artifact(uri=str(folder))
    verdict.custom_properties["outcome"].string_value = "stopped"
    return NodeResult("Gate", "stopped", 1.0, {"verdict": [verdict]})


def test_the_log_says_why_the_gate_stops_and_where_the_page_is(stopped, capfd):
    node._explain(stopped, "a-run", Path("/mnt/mri"))
    said = capfd.readouterr().err
    assert "missing_class" in said
    assert "There is no image of glioma." in said
    last = said.splitlines()[-1]
    assert last.startswith("Gate: this ends the run with exit code 3, of which Kubeflow makes 1")
    assert last.endswith("/mnt/mri/runs/a-run/ended.html")


def test_the_log_says_why_a_model_is_not_pushed(tmp_path, monkeypatch, capfd):
    store = connect(connection_config(None, Work(tmp_path)))
    run = _context(store, "pipeline_run", "a-run")
    for name in ("Evaluator", "ServeCheck", "Transform"):
        _executed(store, run, _context(store, "node", f"brain_mri.{name}"))
    monkeypatch.setattr(node, "describe", lambda result: f"what {result.node_id} said")
    node._explain(NodeResult("Pusher", "done", 0.1, {}, blessed=False), "a-run", tmp_path)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("Pusher: ")]
    assert lines[:2] == [
        "Pusher: Evaluator: what Evaluator said",
        "Pusher: ServeCheck: what ServeCheck said",
    ]
    assert "exit code 4" in lines[2]


def test_a_node_that_does_not_end_the_run_says_nothing_of_it(tmp_path, capfd):
    node._explain(NodeResult("Trainer", "done", 1.0, {}), "a-run", tmp_path)
    assert capfd.readouterr().err == ""


def _context(store, kind, name):
    type_id = store.put_context_type(pb.ContextType(name=kind), can_add_fields=True)
    [identity] = store.put_contexts([pb.Context(type_id=type_id, name=name)])
    return identity


def _executed(store, *contexts):
    type_id = store.put_execution_type(pb.ExecutionType(name="kind"))
    done = pb.Execution(type_id=type_id, last_known_state=pb.Execution.COMPLETE)
    [identity] = store.put_executions([done])
    store.put_attributions_and_associations(
        [], [pb.Association(execution_id=identity, context_id=one) for one in contexts]
    )
