from registering import RUNS, Registry

from pipeline.lineage import read_lineage


def test_runs_are_read_with_what_went_in_and_came_out(tmp_path):
    registry = Registry(tmp_path / "work")
    first = registry.add(0)
    second = registry.add(1)
    lineage = read_lineage(registry.store)
    assert [run.name for run in lineage.runs] == list(RUNS[:2])
    [old, new] = lineage.runs
    assert first in lineage.used_by(old.executions, output=True)
    assert first in lineage.used_by(new.executions, output=False)  # compared with
    assert first not in lineage.used_by(new.executions, output=True)
    assert [model.id for model in lineage.live("Model")] == [first, second]
    assert lineage.pipeline_of(first) == "brain_mri"


def test_an_empty_database_holds_nothing(tmp_path):
    lineage = read_lineage(Registry(tmp_path / "work").store)
    assert lineage.runs == ()
    assert not lineage.artifacts
