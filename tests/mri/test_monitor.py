import json
import os
import re
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawing import draw
from ml_metadata.proto import metadata_store_pb2 as pb
from model_server import running_server
from small_model import save
from toy_run import mri
from traffic import log_requests, training_statistics

from components.errors import PipelineError
from components.monitor.window import one_version, read_window
from imaging.quality import measure
from mri.monitor import _begin, _training
from pipeline.database import connect, connection_config
from pipeline.work import Work
from serving.client import Client

pytestmark = pytest.mark.long

NOW = datetime(2026, 7, 2, 12, tzinfo=timezone.utc)


def _table(count: int, seed: int, std: float = 1.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    centres = {"mean": 50, "std": 40 * std, "foreground": 0.6, "aspect": 1, "sharpness": 30,
               "border": 0.2}  # fmt: skip
    columns = {name: random.normal(at, at / 8, count) for name, at in centres.items()}
    return pd.DataFrame({**columns, "label": random.choice(["glioma", "notumor"], count)})


@pytest.mark.parametrize(("code", "notified"), [(0, False), (1, False), (5, True)])
def test_the_cron_line_of_the_documentation_notifies_of_drift_alone(
    tmp_path, code: int, notified: bool
):
    text = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^0 6 \* \* \* (.+)$", text, re.MULTILINE)
    (tmp_path / "bin").mkdir()
    for name, script in (("mri", f"exit {code}"), ("notify-reviewers", "touch notified")):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    command = line.replace("/srv/mri", str(tmp_path))
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", command], env={"PATH": path}, check=False)
    assert (tmp_path / "notified").exists() is notified


@pytest.fixture
def statistics(tmp_path) -> Path:
    """What StatisticsGen leaves."""
    folder = tmp_path / "statistics"
    (folder / "Split-train").mkdir(parents=True)
    content = training_statistics(_table(2000, 0)).SerializeToString()
    (folder / "Split-train" / "FeatureStats.pb").write_bytes(content)
    return folder


def test_exit_code_words_page_and_metrics_say_drift(statistics, tmp_path):
    log = log_requests(tmp_path / "log", _table(300, 1, std=2.0))
    html, metrics = tmp_path / "page.html", tmp_path / "mri.prom"
    result = mri("monitor", "--log", str(log), "--statistics", str(statistics),
                 "--html", str(html), "--textfile", str(metrics))  # fmt: skip
    assert result.returncode == 5, result.stderr
    assert "drift: image/std" in result.stdout
    assert "300 images from 2026-07-01 00:00 to 2026-07-01 00:04 UTC" in result.stdout
    assert "<strong>Drift</strong>" in html.read_text()
    assert "mri_monitor_drift 1.0" in metrics.read_text()
    assert not list(tmp_path.glob(".*"))


def test_no_drift_is_exit_code_0_and_nothing_to_compare_is_1(statistics, tmp_path):
    log = log_requests(tmp_path / "log", _table(300, 1))
    words = ("monitor", "--log", str(log), "--statistics", str(statistics))
    result = mri(*words, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["outcome"] == "no drift"
    result = mri(*words, "--since", "1m")
    assert result.returncode == 1
    assert "No request" in result.stderr


def test_a_window_is_of_the_newest_version_and_of_one_model(statistics, tmp_path):
    log = log_requests(tmp_path / "log", _table(300, 1, std=2.0), version=1)
    log_requests(log, _table(300, 2), version=2)
    words = ("monitor", "--log", str(log), "--statistics", str(statistics))
    result = mri(*words)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "300 images from" in result.stdout
    assert "left out: 300 images that other models or versions answered" in result.stdout
    result = mri(*words, "--version", "1", "--json")
    assert result.returncode == 5, result.stderr
    report = json.loads(result.stdout)
    assert (report["model"], report["version"]) == ("brain_mri", 1)
    assert report["images"] == report["left_out"] == 300


def test_images_that_another_model_answered_are_not_said_to_be_of_another_version(
    statistics, tmp_path
):
    log = log_requests(tmp_path / "log", _table(300, 1))
    log_requests(log, _table(1, 2), model="other", files=1)
    words = ("--log", str(log), "--statistics", str(statistics), "--model", "brain_mri")
    result = mri("monitor", *words)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "left out: 1 image that other models or versions answered" in result.stdout


def test_of_several_models_it_asks_which_one(tmp_path):
    log = log_requests(tmp_path / "log", _table(40, 1), version=7)
    log_requests(log, _table(60, 2), version=5, model="other")
    window = read_window(log, None)
    with pytest.raises(PipelineError, match="several models, brain_mri and other: say which"):
        one_version(window, None, None)
    chosen = one_version(window, "other", None)
    assert set(chosen["model"]) == {"other"}
    assert len(chosen) == 60
    with pytest.raises(PipelineError, match="no request to version 7 of other"):
        one_version(window, "other", 7)


def test_what_the_server_logs_is_what_monitoring_reads(tmp_path):
    base = tmp_path / "brain_mri"
    save(base / "7")
    images = [draw(seed) for seed in range(12)]
    log = tmp_path / "requests"
    flags = ("--model_name=brain_mri", f"--model_base_path={base}", f"--request_log_dir={log}")
    with running_server(tmp_path, *flags) as server:
        server.wait_for({7: "AVAILABLE"}, "brain_mri")
        with Client(server.address, batch_size=5, in_flight=1) as client:
            answers = client.predict_batch(images)
    window = read_window(log, NOW)
    assert list(window["label"]) == [answer.label for answer in answers]
    assert set(window["version"]) == {7}
    assert list(window["mean"]) == pytest.approx([measure(one).mean for one in images])
    assert list(window["border"]) == pytest.approx([measure(one).border for one in images])
    assert (window["latency_ms"] > 0).all()
    assert window["in_distribution"].all()


@pytest.mark.parametrize(
    ("said", "begin"),
    [(None, None), ("90m", NOW - timedelta(minutes=90)), ("2w", NOW - timedelta(days=14)),
     ("2026-07-01T06:00", datetime(2026, 7, 1, 6, tzinfo=timezone.utc)),
     ("2026-07-01T06:00+02:00", datetime(2026, 7, 1, 4, tzinfo=timezone.utc))],
)  # fmt: skip
def test_how_far_a_window_reaches_back(said, begin):
    assert _begin(said, NOW) == begin


@pytest.mark.parametrize("said", ["", "yesterday", "h", "-5h", "5y", "99999999d", "999999d"])
def test_a_window_that_cannot_be_understood_is_refused(said):
    with pytest.raises(PipelineError, match="--since"):
        _begin(said, NOW)


def test_the_statistics_are_those_that_the_served_version_was_trained_on(tmp_path):
    work = Work(tmp_path)
    with pytest.raises(PipelineError, match="There is no run"):
        _training(work, 7, None)
    store = connect(connection_config(None, work))
    kinds = {
        name: store.put_artifact_type(pb.ArtifactType(name=name, properties={}))
        for name in ("ExampleStatistics", "GateVerdict", "PushedModel")
    }
    run_type = store.put_context_type(pb.ContextType(name="pipeline_run"))

    def put(kind: str, **properties: object) -> int:
        made = pb.Artifact(type_id=kinds[kind], uri=f"/{kind}/{len(store.get_artifacts())}")
        for name, value in properties.items():
            field = made.custom_properties[name]
            if isinstance(value, int):
                field.int_value = value
            else:
                field.string_value = value
        return store.put_artifacts([made])[0]

    def run(name: str, outcome: str, version: str) -> str:
        statistics = put("ExampleStatistics")
        verdict = put("GateVerdict", outcome=outcome, statistics_id=statistics)
        pushed = put("PushedModel", pushed_version=version)
        [context] = store.put_contexts([pb.Context(type_id=run_type, name=name)])
        store.put_attributions_and_associations(
            [pb.Attribution(artifact_id=one, context_id=context) for one in (verdict, pushed)], []
        )
        return store.get_artifacts_by_id([statistics])[0].uri

    with pytest.raises(PipelineError, match="No data has passed"):
        _training(work, 7, None)
    first, second, _ = (
        run("one", "passed", "7"), run("two", "warned", "8"), run("three", "stopped", "")
    )  # fmt: skip
    assert str(_training(work, 7, None)) == first
    assert str(_training(work, 8, None)) == second
    assert str(_training(work, 1234, None)) == second
