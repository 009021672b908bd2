"""Decisions that are cut off, in one process: what comes of them when something happened since."""

import errno
import io
import json
import shutil
from pathlib import Path

import pytest
from commands import clean, decide, list_models
from ml_metadata.proto import metadata_store_pb2 as pb
from registering import MADE, RUNS, Registry
from rich.console import Console
from work_state import listed

from components.errors import PipelineError


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path / "work")


def _decide(root: Path, name: str | None, decision: str) -> str:
    stream = io.StringIO()
    decide(Console(file=stream, width=200), root, name, decision, "complaints")
    return stream.getvalue()


def _cut_off(root: Path, name: str | None, decision: str) -> None:
    """Gives a decision that is written down, and then the disk is full."""
    with pytest.MonkeyPatch.context() as full:
        full.setattr("pipeline.decisions.decide.give_names", _full_disk)
        with pytest.raises(PipelineError, match="is written down, but could not be carried out"):
            _decide(root, name, decision)


def _full_disk(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _clean(root: Path, *, dry_run: bool = False) -> str:
    stream = io.StringIO()
    clean(Console(file=stream, width=200), root, 9, dry_run=dry_run)
    return stream.getvalue()


def _states(root: Path) -> list[str]:
    return [one["state"] for one in listed(root)]


@pytest.mark.parametrize("name", [None, str(MADE)])
def test_a_rollback_that_others_finished_long_ago_is_given_anew_where_a_run_pushed_since(
    registry, name
):
    registry.add(0)
    registry.add(1)
    root = registry.work.root
    _cut_off(root, name, "rollback")
    _clean(root)
    assert registry.served() == "graph 0"
    registry.add(2, version=MADE + 9)
    assert registry.served() == "graph 2"

    said = _decide(root, name, "rollback")

    assert "was finished before" not in said
    assert registry.served() == "graph 0"
    assert _states(root) == ["withdrawn", "withdrawn", "served"]


@pytest.mark.parametrize(("name", "decision"), [(None, "rollback"), (RUNS[2], "reject")])
def test_a_decision_that_others_finished_is_not_taken_twice_where_nothing_happened_since(
    registry, name, decision
):
    registry.add(0)
    registry.add(1)
    registry.add(2, push="after_review")
    root = registry.work.root
    _cut_off(root, name, decision)
    _clean(root)
    before = _states(root)
    assert "was finished before" in _decide(root, name, decision)
    assert _states(root) == before


@pytest.mark.parametrize("named", ["run", "version"])
def test_a_model_whose_version_was_removed_can_be_rolled_back_to(registry, named):
    registry.add(0)
    registry.add(1)
    root = registry.work.root
    _decide(root, str(MADE), "rollback")
    shutil.rmtree(registry.base / str(MADE + 1))
    _delete_pushed(registry, str(MADE + 1))

    _decide(root, RUNS[1] if named == "run" else str(MADE + 1), "rollback")

    assert registry.served() == "graph 1"
    assert _states(root) == ["served", "withdrawn"]


def test_a_version_is_given_once_though_the_model_that_had_it_was_removed(registry):
    registry.add(0)
    registry.add(1)
    registry.add(2)
    root = registry.work.root
    shutil.rmtree(registry.base / str(MADE + 2))
    _delete_pushed(registry, str(MADE + 2))
    _decide(root, RUNS[0], "rollback")
    versions = [version for one in listed(root) for version in one["versions"]]
    assert len(versions) == len(set(versions))
    assert _states(root) == ["withdrawn", "withdrawn", "served"]


def _delete_pushed(registry: Registry, version: str) -> None:
    """Records that a version is gone, as a run does."""
    for pushed in registry.store.get_artifacts_by_type("PushedModel"):
        if pushed.custom_properties["pushed_version"].string_value == version:
            pushed.state = pb.Artifact.DELETED
            registry.store.put_artifacts([pushed])


def test_a_rollback_leaves_the_models_of_other_work_folders_alone(registry, tmp_path):
    registry.add(0)
    registry.add(1)
    other = Registry(tmp_path / "other")
    other.store = registry.store
    elsewhere = other.add(2)
    _decide(registry.work.root, str(MADE), "rollback")
    [blessing] = [
        one
        for one in registry.store.get_artifacts_by_type("ModelBlessing")
        if one.custom_properties["current_model_id"].int_value == elsewhere
    ]
    assert "withdrawn" not in blessing.custom_properties
    assert _states(registry.work.root)[1:] == ["withdrawn", "served"]


@pytest.mark.parametrize("spelled", ["link", "moved"])
def test_a_decision_is_finished_under_another_path_to_the_work_folder(registry, tmp_path, spelled):
    registry.add(0)
    registry.add(1)
    root = registry.work.root
    _cut_off(root, None, "rollback")
    link = tmp_path / "link"
    if spelled == "moved":
        root.rename(link)
        root.symlink_to(link)
    else:
        link.symlink_to(root)
    assert "finished what was interrupted" in _decide(link, None, "rollback")
    assert _states(link) == ["withdrawn", "served"]


@pytest.mark.parametrize(
    ("name", "decision"), [(RUNS[2], "approve"), (RUNS[2], "reject"), (None, "rollback")]
)
def test_a_decision_that_is_closed_leaves_models_as_they_were(registry, name, decision):
    registry.add(0)
    registry.add(1)
    registry.add(2, push="after_review")
    root = registry.work.root
    before, marks = _states(root), _marks(registry)
    _cut_off(root, name, decision)
    shutil.rmtree(registry.work.artifacts / "Report" / "model_report")
    for path in (*registry.base.glob(".*"), *registry.work.artifacts.glob("Decision/*/.*")):
        shutil.rmtree(path)

    with pytest.raises(PipelineError, match="can no longer be carried out, and is closed"):
        _decide(root, name, decision)

    assert _states(root) == before
    assert _marks(registry) == marks
    assert [one["decisions"] for one in listed(root)] == [[], [], []]
    assert registry.served() == "graph 1"


def test_what_a_closed_decision_had_put_out_is_taken_back(registry):
    registry.add(0)
    registry.add(1)
    root = registry.work.root
    with pytest.MonkeyPatch.context() as full:
        full.setattr("pipeline.decisions.decide.record", _full_disk)
        with pytest.raises(PipelineError, match="is written down"):
            _decide(root, None, "rollback")
    assert registry.served() == "graph 0"
    shutil.rmtree(registry.work.artifacts / "Report" / "model_report")
    shutil.rmtree(registry.work.artifacts / "Decision")
    assert "and is closed" in _clean(root)
    assert registry.served() == "graph 1"
    assert _states(root) == ["served", "pushed"]


def _marks(registry: Registry) -> list[str]:
    """All custom properties of the artifacts."""
    return [
        json.dumps({name: str(value) for name, value in sorted(one.custom_properties.items())})
        for one in registry.store.get_artifacts()
    ]


def test_a_dry_clean_leaves_out_what_an_unfinished_decision_needs(registry):
    registry.add(0)
    registry.add(1)
    root = registry.work.root
    _cut_off(root, None, "rollback")
    assert list(registry.base.glob(".*.unfinished"))
    assert "There is nothing to remove." in _clean(root, dry_run=True)
    stream = io.StringIO()
    list_models(Console(file=stream, width=200), root)
    assert "but this was interrupted" in stream.getvalue()
