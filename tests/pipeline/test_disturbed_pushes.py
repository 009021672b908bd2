"""Pushes of runs that fail or are killed at any of their writes, and what comes then."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faulty_pushes
import pytest
from faults import Attempts, decide_in
from pushing import PushRuns
from registering import MADE
from work_state import files_of, listed

from components.errors import PipelineError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:label:DeprecationWarning")]


@pytest.fixture(scope="module")
def attempts() -> Iterator[Attempts]:
    with Attempts(faulty_pushes.__file__) as made:
        yield made


@pytest.fixture
def anew(tmp_path, monkeypatch) -> Callable[[], Path]:
    """Makes a work folder in which one model is pushed, and a later one was judged."""
    root, kept = tmp_path / "work", tmp_path / "kept"
    PushRuns(root, monkeypatch).run(to_nodes=("Report",))
    PushRuns(root, monkeypatch).registry.add(0)
    (root / "artifacts" / "Pusher" / "pushed_model" / "0").mkdir(parents=True)
    shutil.copytree(root, kept)

    def make() -> Path:
        shutil.rmtree(root)
        shutil.copytree(kept, root)
        return root

    return make


def _state(root: Path) -> dict[str, Any]:
    # Which of a run's attempts it was that pushed is another each time.
    models = [{**one, "runs": None} for one in listed(root)]
    files = files_of(root / "serving")
    serving = {name: re.sub(r'"execution": \d+', "", text) for name, text in files.items()}
    return {"models": json.dumps(models), "serving": serving}


@pytest.mark.parametrize("fault", ["fails", "is full", "is killed"])
def test_a_run_whose_push_was_disturbed_and_is_given_again_is_as_if_it_had_not_been(
    attempts, anew, monkeypatch, fault
):
    root = anew()
    PushRuns(root, monkeypatch).run()
    undisturbed = _state(root)
    for number, again in attempts.disturbed(anew, fault, "push"):
        if again:
            PushRuns(root, monkeypatch).run()
        assert _state(root) == undisturbed, f"at write {number}"


def test_a_rollback_behind_a_push_that_was_killed_knows_what_is_served(attempts, anew, monkeypatch):
    pushed = 0
    root = anew()
    for number, _ in attempts.disturbed(anew, "is killed", "push"):
        before = sorted(path.name for path in (root / "serving" / "brain_mri").glob("[0-9]*"))
        if before == [str(MADE)]:
            with pytest.raises(PipelineError, match="no earlier model to go back to"):
                decide_in(root, None, "rollback")
            continue
        pushed += 1
        assert "finished a push that was interrupted" in decide_in(root, None, "rollback")
        states = sorted(one["state"] for one in listed(root))
        assert states == ["served", "withdrawn"], number
        # The run is given again, and does not serve what was rolled back from.
        assert PushRuns(root, monkeypatch).run().withdrawn
        assert PushRuns(root, monkeypatch).registry.served() == "graph 0"
    assert pushed
