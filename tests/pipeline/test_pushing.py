"""What people and checks said of a model, and what later runs make of it."""

import io
import shutil

import pytest
from commands import decide
from pushing import PushRuns
from rich.console import Console

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:label:DeprecationWarning")]


@pytest.fixture
def runs(tmp_path, monkeypatch) -> PushRuns:
    return PushRuns(tmp_path / "work", monkeypatch)


def _printed(summary) -> str:
    console = Console(file=io.StringIO(), width=300)
    summary.print(console)
    return console.file.getvalue()


def _decide(runs, decision: str, reason: str) -> None:
    console = Console(file=io.StringIO())
    name = None if decision == "rollback" else runs.model().run
    decide(console, runs.registry.work.root, name, decision, reason)


@pytest.mark.parametrize("judged", ["first", "again"])
@pytest.mark.parametrize("push", ["auto", "after_review"])
def test_a_rejected_model_is_neither_pushed_nor_waits_in_a_later_run(runs, push, judged):
    assert runs.run(push="after_review").waiting
    registry = runs.registry
    _decide(runs, "reject", "misses small tumours")

    summary = runs.run(push=push, judged=judged)

    assert not registry.base.exists()
    assert summary.blessed is False
    assert "against it: a person rejected this model" in _printed(summary)
    assert "mri models approve" not in _printed(summary)


def test_a_model_that_was_rolled_back_from_is_not_served_again_where_its_version_is_gone(runs):
    pushed = runs.run().pushed
    registry = runs.registry
    registry.add(0)
    _decide(runs, "rollback", "complaints")
    shutil.rmtree(pushed)

    summary = runs.run()

    assert registry.served() == "graph 0"
    assert summary.pushed is None
    assert "went back to an earlier one" in _printed(summary)


def test_a_model_that_another_was_pushed_over_is_pushed_again_by_each_run_that_makes_it(runs):
    seen = []
    for model in ("Model", "Other", "Other", "Model", "Other", "Model", "Model"):
        summary = runs.run(model=model)
        graph = "graph" if model == "Model" else "other graph"
        assert runs.registry.served() == graph
        versions = [int(path.name) for path in runs.registry.base.iterdir()]
        assert int(summary.pushed.name) == max(versions)
        seen.append((summary.result.nodes[-1].state, len(versions)))
    done, cached = "done", "cached"
    assert seen == [
        (done, 1), (done, 2), (cached, 2), (done, 3), (done, 4), (done, 5), (cached, 5)
    ]  # fmt: skip


def test_an_approved_model_does_not_wait_in_a_later_run(runs):
    assert runs.run(push="after_review").waiting
    registry = runs.registry
    _decide(runs, "approve", "read it")

    summary = runs.run(push="after_review")

    assert not summary.waiting
    assert summary.blessed is True
    assert len(list(registry.base.iterdir())) == 1
