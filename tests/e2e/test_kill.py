"""A run that is killed in any node leaves nothing half done, and the next goes on from there."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from toy_run import NODES, RESOLVERS, arguments, assert_whole, node_states, run, store

_KILLED_RUN = Path(__file__).parents[1] / "fixtures" / "killed_run.py"


def _kill(node: str, moment: str, data: Path, work: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(_KILLED_RUN), node, moment, *arguments(data, work)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert result.returncode == -signal.SIGKILL, result.stdout + result.stderr
    assert not list(work.glob("serving/*/[0-9]*")) or node == "Pusher"
    types = {artifact.type for artifact in store(work).get_artifacts()}
    assert ("ModelBlessing" in types) == (NODES.index(node) > NODES.index("Evaluator"))


def _go_on(data: Path, work: Path) -> None:
    """Runs to the end, which is Pusher's work alone by now."""
    result = run(data, work)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "interrupted in" in result.stdout
    states = node_states(result.stdout)
    assert {states[node] for node in NODES[:-1] if node not in RESOLVERS} == {"cached"}
    assert states["Pusher"] == "done"
    assert_whole(store(work))
    [version] = (work / "serving" / "brain_mri").iterdir()
    assert (version / "saved_model.pb").exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_in_node_after_node(moment, make_folder, tmp_path):
    data, work = make_folder(train=20, test=5), tmp_path / "work"
    for node in NODES:
        _kill(node, moment, data, work)
    _go_on(data, work)
