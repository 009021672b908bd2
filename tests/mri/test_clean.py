import io
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from commands import clean
from ml_metadata.proto import metadata_store_pb2 as pb
from registering import MADE, RUNS, Registry
from rich.console import Console

from components.errors import PipelineError
from pipeline.registry import read_models

_DAY = 86_400.0
"""Longer than any test lies between the runs that it records and the folders that it makes."""


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path / "work")


def _clean(registry, keep: int, *, whole: bool = True, **settings) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=200, highlight=False)
    assert clean(console, registry.work.root, keep, **settings) == whole
    return stream.getvalue()


def _examples(registry, *numbers: int) -> list[int]:
    return [registry.record(number, "Ingest", "examples", "Examples") for number in numbers]


def _there(registry, path: str = "Ingest/examples") -> list[str]:
    return sorted(one.name for one in (registry.work.artifacts / path).iterdir())


def _everything(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
        if path.name != "lock"
    }


def _folder(path: Path, *, age: float = 0.0) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_bytes(b"x" * 500)
    then = time.time() - age
    for one in (path / "file", path):
        os.utime(one, (then, then))
    return path


def test_old_artifacts_go_and_it_says_how_many_and_how_large(registry):
    first, second, third = _examples(registry, 0, 1, 2)
    said = _clean(registry, 1)
    assert _there(registry) == ["2"]
    assert [registry.state(one) for one in (first, second, third)] == [
        "DELETED",
        "DELETED",
        "LIVE",
    ]
    [row] = [line for line in said.splitlines() if "Examples" in line]
    assert row.split("│")[2:4] == ["       2 ", " 2,000 "]
    assert "2,000 bytes freed" in said
    assert "nothing to remove" in _clean(registry, 1)


def test_a_dry_run_says_the_same_and_changes_nothing(registry):
    _examples(registry, 0, 1)
    _folder(registry.work.runs / RUNS[0])
    before = _everything(registry.work.root)
    said = _clean(registry, 1, dry_run=True)
    assert "1,500 bytes would be freed; nothing was removed" in said
    assert _everything(registry.work.root) == before
    assert "1,500 bytes freed" in _clean(registry, 1)


def test_what_a_kept_run_was_answered_with_stays(registry):
    [first, _] = _examples(registry, 0, 1)
    registry.answer_from_cache(2, "Ingest", "examples", first)
    _clean(registry, 1)
    assert _there(registry) == ["0"]
    assert registry.state(first) == "LIVE"


def test_a_served_model_stays_with_its_report_and_one_taken_off_goes(registry):
    for number in range(3):
        registry.add(number)
    _clean(registry, 0)
    assert len(read_models(registry.store)) == 3
    shutil.rmtree(registry.base / str(MADE))
    _clean(registry, 0)
    assert _there(registry, "Trainer/model") == ["1", "2"]
    assert _there(registry, "Report/model_report") == ["1", "2"]
    assert _there(registry, "Predictions/predictions") == ["1", "2"]
    assert [model.run for model in read_models(registry.store)] == list(RUNS[1:])
    assert registry.served() == "graph 2"


def test_a_model_that_waits_stays_and_a_refused_one_goes(registry):
    registry.add(0, push="after_review")
    registry.add(1, blessed=False)
    registry.record(2, "Ingest", "examples", "Examples")
    _clean(registry, 1)
    [waiting] = read_models(registry.store)
    assert waiting.run == RUNS[0]
    assert waiting.waiting
    assert waiting.card is not None


def test_run_folders_go_with_their_runs(registry):
    _examples(registry, 0, 1)
    for name in (*RUNS[:2], "1999-01-01T00-00-00.000", "2999-01-01T00-00-00.000", "mine"):
        _folder(registry.work.runs / name)
    _clean(registry, 1)
    left = sorted(path.name for path in registry.work.runs.iterdir())
    assert left == [RUNS[1], "2999-01-01T00-00-00.000", "mine"]


def test_caches_not_used_since_the_oldest_kept_run_go(registry):
    _examples(registry, 0, 1)
    kinds = ("features", "training", "tuning")
    stale = [_folder(registry.work.cache / kind / "old", age=_DAY) for kind in kinds]
    used = [_folder(registry.work.cache / kind / "new", age=-_DAY) for kind in kinds]
    other = _folder(registry.work.cache / "examples" / "old", age=_DAY)
    said = _clean(registry, 1)
    assert "cached features" in said
    assert "states of searches" in said
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in (*used, other))
    assert sorted(p.name for p in (registry.work.cache / "features").iterdir()) == ["new"]


def test_what_tfx_wrote_beside_the_outputs_goes_but_for_the_kept_runs(registry):
    _examples(registry, 0, 1)
    system = registry.work.artifacts / "Ingest" / ".system"
    old = [
        _folder(system / kind / "1", age=_DAY)
        for kind in ("executor_execution", "driver_execution", "stateful_working_dir")
    ]
    new = _folder(system / "executor_execution" / "2", age=-_DAY)
    said = _clean(registry, 1)
    [row] = [line for line in said.splitlines() if "working folders of nodes" in line]
    assert row.split("│")[2:4] == ["       3 ", " 1,500 "]
    assert not any(path.exists() for path in old)
    assert new.exists()


def test_a_dry_run_counts_working_folders_once(registry):
    _examples(registry, 0, 1)
    system = registry.work.artifacts / "Ingest" / ".system"
    for kind in ("executor_execution", "driver_execution"):
        _folder(system / kind / "1" / ".temp", age=_DAY)
        os.utime(system / kind / "1", (0, 0))
    said = _clean(registry, 1, dry_run=True)
    assert said.replace("would be freed; nothing was removed", "freed") == _clean(registry, 1)
    assert "2,000 bytes" in said


def test_where_no_run_is_old_caches_stay(registry):
    _examples(registry, 0)
    store = _folder(registry.work.cache / "features" / "old", age=_DAY)
    assert "nothing to remove" in _clean(registry, 1)
    assert store.exists()


def test_a_killed_clean_is_finished_by_the_next(registry):
    first, _ = _examples(registry, 0, 1)
    # As a kill leaves it: marked, and half of it on disk.
    [artifact] = registry.store.get_artifacts_by_id([first])
    artifact.state = pb.Artifact.DELETED
    registry.store.put_artifacts([artifact])
    half = _folder(registry.work.cache / "features" / ".store.removed", age=_DAY)
    said = _clean(registry, 1)
    assert "1,500 bytes freed" in said
    assert _there(registry) == ["1"]
    assert not half.exists()


def test_a_marked_artifact_is_not_kept_by_a_more_generous_clean(registry):
    first, _ = _examples(registry, 0, 1)
    [artifact] = registry.store.get_artifacts_by_id([first])
    artifact.state = pb.Artifact.DELETED
    registry.store.put_artifacts([artifact])
    _clean(registry, 2)
    assert _there(registry) == ["1"]


def test_a_folder_that_two_artifacts_share_stays_for_the_one_that_is_kept(registry):
    first, second = _examples(registry, 0, 1)
    [artifact] = registry.store.get_artifacts_by_id([second])
    [other] = registry.store.get_artifacts_by_id([first])
    artifact.uri = other.uri
    registry.store.put_artifacts([artifact])
    _clean(registry, 1)
    assert "0" in _there(registry)


@pytest.mark.parametrize("uri", ["", "/", "{artifacts}", "{artifacts}/../..", "{outside}"])
def test_what_lies_elsewhere_is_left_alone(registry, tmp_path, uri):
    outside = _folder(tmp_path / "outside")
    first, _ = _examples(registry, 0, 1)
    [artifact] = registry.store.get_artifacts_by_id([first])
    artifact.uri = uri.format(artifacts=registry.work.artifacts, outside=outside)
    registry.store.put_artifacts([artifact])
    _clean(registry, 1)
    assert (outside / "file").exists()
    assert _there(registry) == ["0", "1"]
    assert registry.state(first) == "LIVE"


@pytest.mark.parametrize("which", ["the artifact", "the node", "all artifacts"])
def test_symbolic_links_are_never_followed(registry, tmp_path, which):
    first, _ = _examples(registry, 0, 1)
    link = {
        "the artifact": registry.work.artifacts / "Ingest" / "examples" / "0",
        "the node": registry.work.artifacts / "Ingest",
        "all artifacts": registry.work.artifacts,
    }[which]
    moved = tmp_path / "elsewhere"
    link.rename(moved)
    link.symlink_to(moved)
    files = sorted(moved.rglob("file"))
    said = _clean(registry, 1)
    assert "behind a symbolic link" in said
    assert sorted(moved.rglob("file")) == files
    assert link.is_symlink()
    assert registry.state(first) == "LIVE"


def test_links_in_what_is_removed_and_in_caches_lead_nowhere(registry, tmp_path):
    outside = _folder(tmp_path / "outside", age=_DAY)
    _examples(registry, 0, 1)
    (registry.work.artifacts / "Ingest" / "examples" / "0" / "link").symlink_to(outside)
    (registry.work.cache / "features").mkdir(parents=True)
    (registry.work.cache / "features" / "link").symlink_to(outside)
    _folder(registry.work.runs / RUNS[1])
    (registry.work.runs / RUNS[0]).symlink_to(outside)
    _clean(registry, 1)
    assert (outside / "file").exists()
    assert _there(registry) == ["1"]


def test_a_run_in_progress_is_not_disturbed(registry):
    _examples(registry, 0, 1)
    for dry_run in (False, True):
        with registry.work.exclusively():
            with pytest.raises(PipelineError, match="Another command is using"):
                _clean(registry, 0, dry_run=dry_run)
    assert _there(registry) == ["0", "1"]


def test_what_a_killed_node_left_goes_and_its_execution_is_closed(registry):
    # As TFX leaves it: the execution is open and has no output yet.
    contexts = registry._run(0)
    node = registry._context("node", "brain_mri.Trainer")
    registry._execute("Trainer", [], [], [*contexts, node], state=pb.Execution.RUNNING)
    [killed] = registry.store.get_executions()
    left = _folder(registry.work.artifacts / "Trainer" / "model" / str(killed.id))
    _folder(registry.work.runs / RUNS[0])
    _examples(registry, 1)
    said = _clean(registry, 1)
    assert "leftovers of failed nodes" in said
    assert not left.exists()
    [killed] = registry.store.get_executions_by_id([killed.id])
    assert killed.last_known_state == pb.Execution.FAILED


@pytest.fixture
def nobodys():
    """A registry of a user who is not root: root may remove everything."""
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="clean"))  # where all may look
    registry = Registry(root / "work")
    _examples(registry, 0, 1, 2)
    locked = registry.work.artifacts / "Ingest" / "examples" / "0"
    locked.chmod(0o555)
    _folder(registry.work.cache / "features" / "old", age=_DAY).parent.chmod(0o555)
    am_root = os.geteuid() == 0
    if am_root:
        for path in (root, *root.rglob("*")):
            os.chown(path, 65534, 65534)
        os.seteuid(65534)
    yield registry
    if am_root:
        os.seteuid(0)
    for folder in (locked, registry.work.cache / "features"):
        if folder.exists():
            folder.chmod(0o755)
    shutil.rmtree(root)


def test_what_cannot_be_removed_is_named_and_the_rest_goes(nobodys):
    said = _clean(nobodys, 1, whole=False)
    assert f"could not be removed: {nobodys.work.artifacts}/Ingest/examples/0" in said
    assert f"could not be removed: {nobodys.work.cache}/features/old: Permission denied" in said
    assert "cached features" not in said
    assert "1,000 bytes freed" in said
    assert _there(nobodys) == ["0", "2"]
    # What may be half removed is no answer from cache.
    assert [nobodys.state(artifact.id) for artifact in nobodys.store.get_artifacts()] == [
        "DELETED",
        "DELETED",
        "LIVE",
    ]
    (nobodys.work.artifacts / "Ingest" / "examples" / "0").chmod(0o755)
    (nobodys.work.cache / "features").chmod(0o755)
    assert "1,500 bytes freed" in _clean(nobodys, 1)
    assert _there(nobodys) == ["2"]


def test_a_folder_without_runs_or_without_anything(registry, tmp_path):
    assert "nothing to remove" in _clean(registry, 1)
    empty = tmp_path / "empty"
    empty.mkdir()
    stream = io.StringIO()
    assert clean(Console(file=stream, width=200), empty, 0)
    assert "No run was recorded" in stream.getvalue()
    with pytest.raises(PipelineError, match="There is no work folder .*--work"):
        clean(Console(file=stream), tmp_path / "missing", 1)
    assert not (tmp_path / "missing").exists()
