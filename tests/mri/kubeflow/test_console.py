import io

import pytest
from rich.console import Console

from kubeflow.runs import KubeflowRun, KubeflowTask
from kubeflow.schedules import Schedule
from mri.kubeflow.console import print_run, print_runs, print_schedules


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def _run(name: str, error: str) -> KubeflowRun:
    task = KubeflowTask(name="trainer", state="FAILED", began=None, ended=None, error=error)
    return KubeflowRun(
        run_id="a-run",
        name=name,
        state="FAILED",
        created=None,
        ended=None,
        error=error,
        schedule=None,
        parameters={},
        page="http://localhost/#/runs",
        tasks=(task,),
    )


@pytest.mark.parametrize("text", ["[ticket 12] nightly", "died: [/var/run/argo/argoexec -- sh]"])
def test_brackets_in_names_and_errors_are_shown_as_they_are(text, console):
    print_run(console, _run("a name", text))
    print_runs(console, [_run(text, "")])
    print_schedules(console, [Schedule("1", "one", True, None, None, {}, text)])
    assert console.file.getvalue().count(text) == 4
