"""What MLflow's own server shows of runs; each appears once, however often it is sent."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from model_server import free_port, wait_until
from registering import MADE, RUNS, Registry
from tensorflow.core.protobuf import saved_model_pb2

from components.errors import UsageError
from pipeline.config import Config
from pipeline.decisions.decide import decide
from pipeline.states import Event
from pipeline.tracking.sending import _SECONDS, URI_VARIABLE, track, tracking_uri

pytest.importorskip("mlflow", reason="MLflow is not installed")
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow's server, on SQLite."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"),
            *("--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        cwd=folder,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=(folder / "log").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return httpx.get(f"{address}/health").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, say=(folder / "log").read_text)
        yield address
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.fixture
def registry(tmp_path: Path, request: pytest.FixtureRequest) -> Registry:
    """Two runs, one served and one that waits, of a pipeline of this test's own."""
    made = Registry(tmp_path / "work")
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    for number, push in ((0, "auto"), (1, "after_review")):
        made.add(number, push=push, pipeline=name)
        (made.work.runs / RUNS[number]).mkdir(parents=True)
        model = made.work.artifacts / f"Trainer/model/{number}"
        (model / "history.json").write_text(
            json.dumps({"loss": [1.0, 0.5], "val_loss": [1.5, 0.75], "accuracy": [0.5, 0.75]})
        )
        graph = saved_model_pb2.SavedModel()
        signature = graph.meta_graphs.add().signature_def["serving_default"]
        signature.inputs["examples"].dtype = 7
        signature.inputs["examples"].tensor_shape.dim.add().size = -1
        signature.outputs["probabilities"].dtype = 1
        for size in (-1, 4):
            signature.outputs["probabilities"].tensor_shape.dim.add().size = size
        (model / "Format-Serving" / "saved_model.pb").write_bytes(graph.SerializeToString())
    return made


def _name(registry: Registry) -> str:
    [context] = registry.store.get_contexts_by_type("pipeline")
    return str(context.name)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, what is asked is answered."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")


def _track(registry: Registry, uri: str | None) -> list[str]:
    said: list[str] = []
    track(registry.store, registry.work, uri, said.append)
    return said


def _shown(registry: Registry, uri: str) -> dict:
    import mlflow

    client = mlflow.MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name(_name(registry))
    return {
        run.data.tags["mri.run"]: (client, run)
        for run in client.search_runs([experiment.experiment_id])
    }


@pytest.mark.slow
def test_runs_and_a_decision_appear_and_nothing_appears_twice(
    registry: Registry, uri: str, capfd: pytest.CaptureFixture[str]
) -> None:
    [line] = _track(registry, uri)
    assert all(run in line for run in RUNS[:2])
    assert _track(registry, uri) == []  # nothing became of them

    shown = _shown(registry, uri)
    assert sorted(shown) == sorted(RUNS[:2])
    assert capfd.readouterr().out == ""  # MLflow would print lines of its own between ours
    client, run = shown[RUNS[0]]
    assert run.info.run_name == RUNS[0]
    assert run.info.status == "FINISHED"
    assert run.data.tags["mri.state"] == "served"
    assert run.data.params["train.epochs"]
    assert run.data.metrics["test/accuracy/low"] <= run.data.metrics["test/accuracy"]
    curve = client.get_metric_history(run.info.run_id, "eval/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 1.5), (2, 0.75)]
    there = {one.path for one in client.list_artifacts(run.info.run_id, "report")}
    assert there == {f"report/{name}" for name in ("index.html", "model_card.json")} | {
        one for one in there if one.endswith(".md")
    }
    assert shown[RUNS[1]][1].data.tags["mri.state"] == "waits for review"

    decide(registry.store, registry.work, Event.APPROVE, RUNS[1], "read it", lambda _: None)
    (registry.work.root / "tracking.json").unlink()  # even if nobody knows what was sent
    assert len(_track(registry, uri)) == 1
    shown = _shown(registry, uri)
    assert sorted(shown) == sorted(RUNS[:2])
    client, run = shown[RUNS[1]]
    assert run.data.tags["mri.state"] == "served"
    assert "approved, version" in run.data.tags["mri.decision.1"]
    assert "read it" in run.data.tags["mri.decision.1"]
    assert len(client.get_metric_history(run.info.run_id, "eval/loss")) == 2

    versions = client.search_model_versions(f"name='{_name(registry)}'")
    first, second = sorted(one.tags["mri.version"] for one in versions)
    assert first == str(MADE)
    served = client.get_model_version_by_alias(_name(registry), "served")
    assert served.tags["mri.version"] == second
    assert served.run_id == run.info.run_id
    import mlflow

    mlflow.set_tracking_uri(uri)
    described = mlflow.models.get_model_info(f"runs:/{run.info.run_id}/model")
    [examples] = described.signature.inputs.inputs
    assert examples.name == "examples"
    [probabilities] = described.signature.outputs.inputs
    assert probabilities.shape == (-1, 4)


@pytest.mark.slow
def test_a_run_without_a_model_is_shown_as_failed(registry: Registry, uri: str) -> None:
    registry._run = lambda number, _=None: [  # of the same pipeline
        registry._context("pipeline", _name(registry)),
        registry._context("pipeline_run", RUNS[number]),
    ]
    registry.record(2, "Ingest", "examples", "Examples", state=pb.Execution.FAILED)
    (registry.work.runs / RUNS[2]).mkdir()
    _track(registry, uri)
    _, run = _shown(registry, uri)[RUNS[2]]
    assert run.info.status == "FAILED"
    assert run.data.tags["mri.state"] == "not completed"


@pytest.mark.slow
def test_a_server_that_is_away_gets_everything_the_next_time(
    registry: Registry, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:  # takes connections, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        for address in (
            f"http://127.0.0.1:{free_port()}",
            f"http://127.0.0.1:{silent.getsockname()[1]}",
        ):
            [line] = _track(registry, address)
            assert "did not take 2 of 2 runs (" in line
            assert "\n" not in line
    assert _SECONDS <= 10
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")
    assert len(_track(registry, uri)) == 1
    assert len(_shown(registry, uri)) == 2
    assert _track(registry, None) == []  # a decision knows the address of the last run


def test_without_an_address_nothing_is_written(registry: Registry) -> None:
    assert _track(registry, None) == []
    assert not (registry.work.root / "tracking.json").exists()


@pytest.mark.slow
def test_a_damaged_note_of_what_was_sent_is_made_anew(registry: Registry, uri: str) -> None:
    for content in ("", "{", "[]", '{"uri": 7, "sent": {}}', '{"uri": "x", "sent": 7}'):
        (registry.work.root / "tracking.json").write_text(content)
        _track(registry, uri)
        assert len(_shown(registry, uri)) == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("mlflow.example.org:5000", "not the address"),
        ("sqlite:///mlflow.db", "not the address"),
        ("http://", "not the address"),
        ("http://me:secret@mlflow.example.org", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_an_address_that_cannot_be_used_is_said_at_once(
    value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URI_VARIABLE, value)
    with pytest.raises(UsageError, match=words) as refused:
        tracking_uri()
    assert "secret" not in str(refused.value)
    with pytest.raises(ValueError, match=words):
        Config(tracking_uri=value)


@pytest.mark.slow
def test_runs_of_other_work_folders_are_left_to_them(registry: Registry, uri: str) -> None:
    shutil.rmtree(registry.work.runs / RUNS[0])
    _track(registry, uri)
    assert list(_shown(registry, uri)) == [RUNS[1]]
