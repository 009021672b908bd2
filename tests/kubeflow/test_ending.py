"""What the exit handler says of a run that no verdict ended."""

import json

import pytest

from kubeflow.ending import NodeEnd, RunEnd, _without_verdict

BEFORE = {
    "Ingest": (),
    "SchemaGen": (),
    "StatisticsGen": ("Ingest",),
    "Gate": ("StatisticsGen", "SchemaGen"),
    "Trainer": ("Gate",),
    "Baseline": ("Gate",),
    "Evaluator": ("Trainer", "Baseline"),
}


def _said(told, cut_off=(), **became):
    nodes = [NodeEnd(node, became.get(node, "skipped"), 0.0, "") for node in BEFORE]
    return _without_verdict(nodes, BEFORE, set(cut_off), told)


ALL = dict.fromkeys(BEFORE, "done")
UP_TO_GATE = dict.fromkeys(("Ingest", "SchemaGen", "StatisticsGen", "Gate"), "cached")


@pytest.mark.parametrize("told", ["", "SUCCEEDED", "COMPLETE"])
def test_what_is_done_is_completed(told):
    assert _said(told, **ALL) == ("completed", "")


def test_a_node_that_failed_is_named_and_not_those_that_were_due():
    state, reason = _said("FAILED", **UP_TO_GATE, Trainer="failed")
    assert (state, reason) == ("failed", "It failed in Trainer; the log of that task says why.")


@pytest.mark.parametrize("told", ["RUNNING", "CANCELED", "CANCELLED"])
def test_a_run_that_was_stopped_in_a_node(told):
    state, reason = _said(told, ["Trainer"], **UP_TO_GATE, Trainer="failed")
    assert state == "interrupted"
    assert reason.startswith("The run was stopped, or a pod was lost, in the middle of Trainer.")


def test_a_run_that_was_stopped_between_nodes():
    state, reason = _said("RUNNING", **UP_TO_GATE, Trainer="done")
    assert state == "interrupted"
    assert reason == "The run was stopped, or a pod was lost, before Baseline could begin."


def test_a_node_that_failed_by_itself_counts_though_the_run_was_stopped_for_it():
    state, reason = _said(
        "RUNNING", ["Baseline"], **UP_TO_GATE, Trainer="failed", Baseline="failed"
    )
    assert (state, reason.split(";")[0]) == ("failed", "It failed in Trainer")


def test_a_node_that_was_killed_or_failed_before_its_executor():
    state, reason = _said("FAILED", ["Trainer"], **UP_TO_GATE, Trainer="failed")
    assert state == "failed"
    assert reason == (
        "It failed in Trainer; the log of that task says why, or ends where it was killed: memory "
        "ran out, or the pod was lost."
    )


def test_a_task_that_failed_before_the_launcher_is_named_by_what_was_due():
    state, reason = _said("FAILED", Ingest="done", SchemaGen="done")
    assert state == "failed"
    assert reason.startswith("The task of StatisticsGen failed before it could begin its work")
    _, reason = _said("FAILED", **UP_TO_GATE)
    assert reason.startswith("The task of Trainer or Baseline failed")


def test_a_run_of_which_nothing_is_known():
    state, reason = _without_verdict([], {}, set(), "FAILED")
    assert state == "failed"
    assert reason.startswith("The task of the first node failed before it could begin")


def test_a_task_that_failed_behind_its_work():
    state, reason = _said("FAILED", **ALL)
    assert state == "failed"
    assert reason.startswith("Every node did its work, but Kubeflow says FAILED")


@pytest.mark.parametrize("told", ["RUNNING", "CANCELED"])
def test_a_run_that_was_stopped_when_all_was_done(told):
    state, reason = _said(told, **ALL)
    assert (state, reason) == (
        "interrupted", "The run was stopped, or a pod was lost, when every node had done its work."
    )  # fmt: skip


def test_a_run_that_was_stopped_before_anything_began():
    state, reason = _without_verdict([], {}, set(), "RUNNING")
    assert state == "interrupted"
    assert reason == "The run was stopped, or a pod was lost, before the first node could begin."
    state, reason = _said("RUNNING")
    assert state == "interrupted"
    assert reason.endswith("a pod was lost, before Ingest or SchemaGen could begin.")


def test_the_end_and_its_page_lie_on_the_volume(tmp_path):
    from pipeline.work import Work

    end = RunEnd("a-run", "monday", "failed", "FAILED", (), "It failed in Trainer.")
    end.write(Work(tmp_path))
    folder = tmp_path / "runs" / "a-run"
    assert json.loads((folder / "ended.json").read_text())["reason"] == "It failed in Trainer."
    assert "It failed in Trainer." in (folder / "ended.html").read_text()
