"""Runs that start behind a node whose word still counts."""

import io
import json

import pytest
from pushing import PushRuns
from rich.console import Console
from stopping import stopping_pipeline

from components.gate.verdict import StoppedByGate
from pipeline.config import Config
from pipeline.local_runner import run_locally
from pipeline.work import ENDED_FILE, Work

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:label:DeprecationWarning")]


def test_a_run_that_starts_behind_a_gate_that_stopped_is_stopped(tmp_path, monkeypatch):
    work = Work(tmp_path)
    monkeypatch.setattr(
        "pipeline.graph.create_pipeline",
        lambda config, work, note: stopping_pipeline(work.artifacts),
    )
    for from_nodes in ((), ("Transform",), ("Transform",)):
        run = work.new_run()
        console = Console(file=io.StringIO(), width=200)
        with pytest.raises(StoppedByGate, match="stopped the run: drift"):
            run_locally(Config(), work, run, console, from_nodes=from_nodes)
        assert json.loads((run / ENDED_FILE).read_text()) == {"state": "stopped"}
        assert "Dark." in console.file.getvalue()
    assert not list(work.artifacts.glob("Transform/*/*/ran"))


@pytest.mark.parametrize("refused", ["blessed", "infra_blessed"])
def test_a_run_that_starts_behind_the_checks_ends_as_they_said(tmp_path, monkeypatch, refused):
    runs = PushRuns(tmp_path / "work", monkeypatch)
    for from_nodes in ((), ("Pusher",), ("Report",), ("Evaluator",)):
        assert runs.run(**{refused: 0}, from_nodes=from_nodes).blessed is False
    assert not runs.registry.base.exists()
