"""Runs that start behind a node whose word still counts."""

import io
import json

import pytest
from pushing import PushRuns
from rich.console import Console
from stopping import stopping_pipeline

from components.errors import UsageError
from components.gate.verdict import StoppedByGate
from pipeline.config import Config
from pipeline.local_runner import run_locally
from pipeline.partial_run import check_ends
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


@pytest.mark.parametrize(
    ("from_nodes", "to_nodes", "says"),
    [
        (("trainer",), (), "--from: there is no node 'trainer'; did you mean 'Trainer'?"),
        ((), ("Evaluatr",), "--to: there is no node 'Evaluatr'; did you mean 'Evaluator'?"),
        (("",), (), "--from: there is no node ''; known are Baseline, BulkInferrer, "),
        (("Trainer",), ("Ingest",), "Ingest comes before Trainer, so nothing would run."),
        (("Pusher", "Report"), ("Gate", "Ingest"), "Gate comes before Report"),
    ],
)
def test_ends_that_no_pipeline_has_are_refused(from_nodes, to_nodes, says):
    with pytest.raises(UsageError) as refused:
        check_ends(from_nodes, to_nodes)
    assert says in str(refused.value)


def test_ends_that_fit_together_are_taken():
    check_ends(("Gate",), ("Gate",))
    check_ends(("Trainer", "Ingest"), ("Gate",))
