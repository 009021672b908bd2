"""Decisions that fail or are killed at any of their writes, and are given once more."""

import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import list_models
from faults import Attempts, clean_in, decide_in
from ml_metadata.proto import metadata_store_pb2 as pb
from registering import MADE, RUNS, Registry
from rich.console import Console
from work_state import TIME, files_of, listed

from pipeline.database import connect, connection_config
from pipeline.work import Work

pytestmark = pytest.mark.long


class Situation:
    """A work folder that can be made anew, in the same place."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "work"
        self._kept = folder / "kept"

    def keep(self) -> None:
        """Keeps what is there now."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.root, self._kept)

    def anew(self) -> Path:
        """Makes it anew."""
        shutil.rmtree(self.root)
        shutil.copytree(self._kept, self.root)
        return self.root


@pytest.fixture(scope="module")
def attempts() -> Iterator[Attempts]:
    with Attempts() as made:
        yield made


@pytest.fixture
def situation(tmp_path) -> Situation:
    registry = Registry(tmp_path / "work")
    for number in range(2):
        registry.add(number)
    registry.add(2, push="after_review")
    made = Situation(tmp_path)
    made.keep()
    return made


def state_of(root: Path) -> dict[str, Any]:
    """All that can be seen of a work folder, but for times."""
    return {
        "listed": TIME.sub("TIME", json.dumps(listed(root))),
        "recorded": list(_records(root)),
        "files": files_of(root),
    }


def _records(root: Path) -> Iterator[str]:
    store = connect(connection_config(None, Work(root)))
    executions = store.get_executions()
    for one in [*store.get_artifacts(), *executions]:
        one.ClearField("create_time_since_epoch")
        one.ClearField("last_update_time_since_epoch")
        yield TIME.sub("TIME", str(one))
    for event in store.get_events_by_execution_ids([one.id for one in executions]):
        event.ClearField("milliseconds_since_epoch")
        yield str(event)
    for execution in executions:
        names = sorted(one.name for one in store.get_contexts_by_execution(execution.id))
        yield f"{execution.id}: {names}"


EACH_FAULT = pytest.mark.parametrize(
    "fault",
    ["is full", *(pytest.param(one, marks=pytest.mark.slow) for one in ("fails", "is killed"))],
)


@EACH_FAULT
@pytest.mark.parametrize(
    ("name", "decision"),
    [
        (RUNS[2], "approve"),
        (RUNS[2], "reject"),
        (None, "rollback"),
        pytest.param(str(MADE), "rollback", marks=pytest.mark.slow),
    ],
)
def test_a_decision_that_was_disturbed_and_is_given_again_is_as_if_it_had_not_been(
    attempts, situation, name, decision, fault
):
    root = situation.anew()
    decide_in(root, name, decision)
    undisturbed = state_of(root)
    for number, again in attempts.disturbed(situation.anew, fault, "decide", name, decision):
        if again:
            decide_in(root, name, decision)
        assert state_of(root) == undisturbed, f"at write {number}"


@EACH_FAULT
def test_a_clean_that_was_disturbed_and_is_given_again_is_as_if_it_had_not_been(
    attempts, situation, fault
):
    root = situation.anew()
    _make_old(root)
    situation.keep()
    clean_in(root, 1)
    undisturbed = state_of(root)
    for number, again in attempts.disturbed(situation.anew, fault, "clean", 1):
        if again:
            clean_in(root, 1)
        assert state_of(root) == undisturbed, f"at write {number}"


def _make_old(root: Path) -> None:
    """Adds what an old run leaves: outputs, a cache, its folder, and what a failed node left."""
    registry = Registry(root)
    for number in range(2):
        registry.record(number, "Ingest", "examples", "Examples")
    state = pb.Execution.RUNNING
    registry.record(0, "Transform", "graph", "TransformGraph", state=state)
    system = root / "artifacts" / "Ingest" / ".system" / "executor_execution" / "1"
    for folder in (system, root / "cache" / "features" / "old", root / "runs" / RUNS[0]):
        (folder / "part").mkdir(parents=True)
        for file in (folder / "part" / "file", folder / "file"):
            file.write_text("old")
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (0, 0))


@pytest.mark.slow
def test_whoever_comes_next_finishes_a_rollback_that_was_killed_and_goes_on(attempts, situation):
    root = situation.root
    finished = 0
    for number, _ in attempts.disturbed(situation.anew, "is killed", "decide", None, "rollback"):
        said = decide_in(root, RUNS[2], "approve")
        [third, second, first] = listed(root)
        decided = first["decisions"] != []
        finished += decided
        assert ("finished what was interrupted: pushed the model" in said) == decided, number
        assert third["state"] == "served"
        assert second["state"] == ("withdrawn" if decided else "pushed"), number
        assert first["state"] == "pushed"
        assert _of_no_model(root) == [], number
    assert finished


@pytest.mark.slow
def test_a_rollback_that_was_killed_and_finished_by_a_clean_is_not_done_twice(attempts, situation):
    root = situation.root
    for number, _ in attempts.disturbed(situation.anew, "is killed", "decide", None, "rollback"):
        clean_in(root, 9)
        decide_in(root, None, "rollback")
        [waits, second, first] = listed(root)
        assert waits["state"] == "waits for review", number
        assert second["state"] == "withdrawn", number
        assert first["state"] == "served", number
        assert len(first["decisions"]) == 1, number
        assert _of_no_model(root) == [], number


@pytest.mark.slow
def test_of_a_decision_that_was_killed_the_list_says_that_it_is_not_finished(attempts, situation):
    root = situation.root
    for number, _ in attempts.disturbed(situation.anew, "is killed", "decide", RUNS[2], "reject"):
        newest = listed(root)[0]
        decided = newest["state"] == "rejected"
        assert newest["withdrawn"] is decided, number
        assert newest["unfinished"] == ("rejected" if decided else None), number
        stream = io.StringIO()
        list_models(Console(file=stream, width=200), root)
        assert ("was rejected, which was cut off" in stream.getvalue()) == decided, number


def test_a_decision_whose_model_is_gone_is_closed_and_does_not_stand_in_the_way(
    attempts, situation
):
    root = situation.root
    closed = 0
    for number, _ in attempts.disturbed(situation.anew, "is full", "decide", RUNS[2], "approve"):
        if not listed(root)[0]["unfinished"]:
            continue
        shutil.rmtree(root / "artifacts" / "Trainer" / "model" / "2")
        for path in (root / "serving" / "brain_mri").glob(".*"):
            shutil.rmtree(path)
        for version in listed(root)[0]["versions"]:
            shutil.rmtree(root / "serving" / "brain_mri" / version, ignore_errors=True)
        closed += 1
        assert "can no longer be carried out, and is closed" in decide_in(root, None, "rollback")
        assert listed(root)[2]["state"] == "served", number
    assert closed


def _of_no_model(root: Path) -> list[str]:
    """What lies beside the versions that models have."""
    versions = {version for one in listed(root) for version in one["versions"]}
    return sorted({path.name for path in (root / "serving" / "brain_mri").iterdir()} - versions)
