"""The compiled pipeline, rehearsed on PostgreSQL: task by task, it is the run that `mri run` is."""

from pathlib import Path

import numpy as np
import postgres
import pytest
from compiled import compile_toy
from killing import hold_a_training, kill_a_training
from model_server import wait_until
from rehearsing import (
    add_span,
    compile_quick,
    ended,
    lineage,
    rehearse,
    run_id,
    start,
    states,
)
from toy_run import NODES, RESOLVERS, assert_whole, run, store

from kubeflow.cluster import Cluster, Resources
from pipeline.metadata import inputs, outputs, run_executions


@pytest.fixture(scope="module")
def url():
    with postgres.server() as address:
        yield address


def _database(url: str, name: str) -> str:
    """A fresh database on the server."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{url.rpartition('/')[0]}/{name}"


def test_a_task_that_fails_ends_the_run_and_the_exit_handler_says_so(url, tmp_path):
    storage, database = tmp_path / "storage", _database(url, "failed")
    cluster = Cluster(nodes={"Ingest": Resources(retries=0)})
    file = compile_toy(tmp_path / "pipeline.yaml", cluster=cluster)

    result = rehearse(file, storage, database, data="nowhere", run_name="monday")

    assert result.returncode == 1, result.stdout + result.stderr
    assert f"There is no folder {storage / 'nowhere'}" in result.stdout
    end = ended(storage, result.stdout)
    assert (end["state"], end["told"], end["name"]) == ("failed", "FAILED", "monday")
    assert "It failed in Ingest" in end["reason"]
    assert (
        end["reason"]
        in (storage / "runs" / run_id(result.stdout) / "kubeflow" / "run-end" / "page").read_text()
    )
    became = states(end)
    assert (became["Ingest"], became["SchemaGen"]) == ("failed", "done")
    assert {became[name] for name in NODES[2:]} == {"skipped"}
    assert_whole(store(storage, database))
    for path in storage.rglob("*"):
        if path.is_file():
            assert b"mlmd:unused" not in path.read_bytes(), f"{path} holds the password"


@pytest.mark.slow
def test_bad_data_stop_at_the_gate_and_the_exit_handler_says_why(url, tmp_path):
    data, storage = tmp_path / "incoming", tmp_path / "storage"
    add_span(data, 1, damaged=1)
    file = compile_quick(tmp_path / "pipeline.yaml", "gate.max_rejected_share=0.0")
    database = _database(url, "gate")

    result = rehearse(file, storage, database, data=data)

    assert result.returncode == 3, result.stdout + result.stderr
    end = ended(storage, result.stdout)
    assert (end["state"], end["told"]) == ("stopped", "FAILED")
    assert "accept_anomalies=rejected_files" in end["reason"]
    assert "--accept" not in end["reason"]
    became = states(end)
    assert [name for name, state in became.items() if state == "done"] == NODES[:6]
    assert {became[name] for name in NODES[6:]} == {"skipped"}
    shown = storage / "runs" / run_id(result.stdout) / "kubeflow"
    gate_page = next(storage.glob("artifacts/Gate/verdict/*/index.html")).read_text()
    assert (shown / "run-end" / "page").read_text() == gate_page
    assert (storage / "runs" / run_id(result.stdout) / "ended.html").read_text() == gate_page
    assert "Distribution of image/mean" in (shown / "statistics-gen" / "page").read_text()
    assert_whole(store(storage, database))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "incoming"
    add_span(folder, 1)
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return compile_quick(tmp_path_factory.mktemp("compiled") / "pipeline.yaml")


@pytest.fixture(scope="module")
def first(url, data, file, tmp_path_factory):
    """A storage folder, a database and the rehearsal that filled them."""
    storage = tmp_path_factory.mktemp("rehearsed") / "storage"
    database = _database(url, "first")
    result = rehearse(file, storage, database, data=data, span=1)
    assert result.returncode == 0, result.stdout + result.stderr
    return storage, database, result


def _answers(work: Path, data: Path) -> np.ndarray:
    """What the pushed model says of the test images."""
    import tensorflow as tf

    [version] = (work / "serving" / "brain_mri").iterdir()
    images = [path.read_bytes() for path in sorted(data.glob("span-001/Testing/*/*.png"))]
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    return signature(image_bytes=tf.constant(images))["probabilities"].numpy()


@pytest.mark.slow
def test_it_pushes_what_a_local_run_pushes_and_leaves_the_same_lineage(first, data, tmp_path):
    storage, database, result = first
    local = run(data, tmp_path / "work", "--span", "1")
    assert local.returncode == 0, local.stdout + local.stderr

    np.testing.assert_allclose(
        _answers(storage, data), _answers(tmp_path / "work", data), atol=1e-6
    )
    [local_run] = (tmp_path / "work" / "runs").iterdir()
    rehearsed = lineage(store(storage, database), run_id(result.stdout))
    assert rehearsed == lineage(store(tmp_path / "work"), local_run.name)
    assert len(rehearsed) > 60
    assert_whole(store(storage, database))
    end = ended(storage, result.stdout)
    assert (end["state"], end["told"]) == ("completed", "COMPLETE")
    assert set(states(end)) == set(NODES)
    assert set(states(end).values()) == {"done"}


@pytest.mark.slow
def test_kubeflow_is_given_pages_and_figures(first):
    import json

    storage, _, result = first
    shown = storage / "runs" / run_id(result.stdout) / "kubeflow"
    assert "not a diagnosis" in (shown / "report" / "page").read_text()
    assert "completed" in (shown / "run-end" / "page").read_text()

    def told(task: str, output: str):
        written = json.loads((shown / task / "executor_output.json").read_text())
        [artifact] = written["artifacts"][output]["artifacts"]
        return artifact["metadata"]

    assert 0 <= told("evaluator", "metrics")["accuracy"] <= 1
    assert told("trainer", "metrics")["epochs"] == 1
    matrix = told("predictions", "confusion")["confusionMatrix"]
    assert [spec["displayName"] for spec in matrix["annotationSpecs"]] == ["glioma", "notumor"]
    assert sum(count for row in matrix["rows"] for count in row["row"]) == 10


@pytest.mark.slow
def test_again_is_cached_and_a_new_span_runs_what_changed(first, data, file):
    storage, database, result = first
    again = rehearse(file, storage, database, data=data, span=1)
    assert again.returncode == 0, again.stdout + again.stderr
    became = states(ended(storage, again.stdout))
    assert {became[name] for name in NODES if name not in RESOLVERS} == {"cached"}
    assert len(list((storage / "serving" / "brain_mri").iterdir())) == 1

    add_span(data, 2)
    third = rehearse(file, storage, database, data=data)
    assert third.returncode == 0, third.stdout + third.stderr
    became = states(ended(storage, third.stdout))
    assert [name for name in NODES if became[name] == "cached"] == ["SchemaGen"]
    metadata = store(storage, database)
    trainer = dict(run_executions(metadata, run_id(result.stdout)))["Trainer"]
    evaluator = dict(run_executions(metadata, run_id(third.stdout)))["Evaluator"]
    [blessed] = outputs(metadata, trainer.id)["model"]
    [baseline] = inputs(metadata, evaluator.id)["baseline_model"]
    assert baseline.id == blessed.id, "the first span's blessed model is what must be matched"
    assert len(list((storage / "serving" / "brain_mri").iterdir())) == 2
    assert_whole(metadata)


@pytest.mark.slow
def test_a_model_that_falls_short_ends_the_run_in_pusher(first, data, file):
    storage, database, _ = first
    before = list((storage / "serving" / "brain_mri").iterdir())
    result = rehearse(file, storage, database, data=data, span=1, min_accuracy=1.0, seed=5)
    assert result.returncode == 4, result.stdout + result.stderr
    end = ended(storage, result.stdout)
    assert (end["state"], end["told"]) == ("not blessed", "FAILED")
    assert states(end)["Report"] == "done"
    assert list((storage / "serving" / "brain_mri").iterdir()) == before


@pytest.mark.slow
def test_a_killed_trainer_goes_on_where_it_was_though_kubeflow_retries_nothing(
    url, data, tmp_path, monkeypatch
):
    storage, database = tmp_path / "storage", _database(url, "killed")
    never = Cluster(nodes={"Trainer": Resources(retries=0)})
    file = compile_toy(tmp_path / "pipeline.yaml", cluster=never)
    for name, value in kill_a_training(tmp_path / "armed").items():
        monkeypatch.setenv(name, value)
    result = rehearse(file, storage, database, data=data, span=1, epochs=3)
    said = result.stdout

    assert result.returncode == 0, said
    end = ended(storage, said)
    assert (end["state"], states(end)["Trainer"]) == ("completed", "done")
    [log] = (storage / "runs" / run_id(said) / "logs").glob("trainer-*.txt")
    told = log.read_text()
    assert "Trainer: killed by SIGKILL" in told
    assert "an earlier attempt was interrupted" in told
    assert "continuing after epoch 1, the last before training was interrupted" in told
    assert_whole(store(storage, database))
    recorded = {artifact.uri for artifact in store(storage, database).get_artifacts()}
    written = {str(path) for path in storage.glob("artifacts/Trainer/model/*")}
    assert written <= recorded, "a half-written model is left"


@pytest.mark.slow
def test_a_database_that_is_away_in_the_middle_costs_no_work(data, file, tmp_path, monkeypatch):
    """For how long it may be away is tested where the clock is the test's: test_database.py."""
    storage = tmp_path / "storage"
    reached, gate, environment = hold_a_training(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with (
        postgres.restartable() as server,
        start(file, storage, server.url, data=data, span=1) as process,
    ):
        assert reached.read_text() == "held"
        server.stop()
        gate.write_text("")
        [log] = storage.glob("runs/*/logs/trainer-1.txt")
        wait_until(lambda: "Waiting for it, 300 s at most" in log.read_text())
        server.start()
        said, _ = process.communicate()
        assert process.returncode == 0, said
        end = ended(storage, said)
        assert (end["state"], set(states(end).values())) == ("completed", {"done"})
        told = log.read_text()
        assert told.count("components.trainer.training: training on") == 1, told
        assert not list(storage.glob("runs/*/logs/*-2.txt"))
        assert_whole(store(storage, server.url))


@pytest.mark.slow
def test_two_runs_at_once_on_one_database(url, data, file, tmp_path):
    storage, database = tmp_path / "storage", _database(url, "twice")
    both = [start(file, storage, database, data=data, span=1) for _ in range(2)]
    for process in both:
        said, _ = process.communicate()
        assert process.returncode == 0, said
        assert ended(storage, said)["state"] == "completed"
    assert len(list((storage / "serving" / "brain_mri").iterdir())) == 1
    assert_whole(store(storage, database))
