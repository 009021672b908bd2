"""Whose verdict a run prints: PreviousData has that of an earlier run among its outputs."""

import pytest
from counting import report
from gating import heads, judge
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.launch import NodeResult, gate_verdict


@pytest.fixture
def made(tmp_path):
    judge(
        tmp_path,
        report(found=100, ingested=60, rejected=40, reasons={"empty file": 40}),
        heads(60, 1),
    )
    return {"verdict": [pb.Artifact(uri=str(tmp_path / "verdict"))]}


def test_the_verdict_on_the_data_before_is_not_this_run_s(made):
    assert gate_verdict("PreviousData", made) is None
    assert NodeResult("PreviousData", "done", 1.0, made).verdict is None


@pytest.mark.parametrize(("node", "state"), [("Gate", "cached"), ("Trainer", "stopped")])
def test_the_gate_s_own_is_where_it_judged_and_where_it_stopped_a_run(made, node, state):
    verdict = NodeResult(node, state, 1.0, made).verdict
    assert verdict is not None
    assert verdict.findings
