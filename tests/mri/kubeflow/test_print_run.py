import io
from datetime import datetime, timezone

import pytest
from rich.console import Console

from kubeflow.run_tasks import KubeflowTask
from kubeflow.runs import KubeflowRun
from mri.kubeflow.runs import print_run

BEGIN = datetime(2026, 1, 2, 3, 0, tzinfo=timezone.utc)
PODS = "kubectl get pods -n kubeflow -l pipeline/runid=a-run"
LOOK = "kubectl logs -n kubeflow brain-mri-x7k2f-retry-system-container-impl-1234567890 -c main"


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def _run(name: str, *tasks: KubeflowTask, stopped: bool = False) -> KubeflowRun:
    return KubeflowRun(
        run_id="a-run",
        display_name=name,
        state="FAILED",
        stopped=stopped,
        created_at=BEGIN,
        finished_at=BEGIN.replace(hour=5),
        error=None,
        parameters={"epochs": 12},
        page="http://localhost/#/runs",
        pods=PODS,
        tasks=tasks,
    )


@pytest.mark.parametrize("text", ["[ticket 12] nightly", "died: [/var/run/argo/argoexec -- sh]"])
def test_brackets_in_names_are_shown_as_they_are(text, console):
    print_run(console, _run(text, KubeflowTask(name=text, state="waits")), as_json=False)
    assert console.file.getvalue().count(text) == 2


def test_what_failed_says_where_to_look_in_a_line_that_can_be_copied(console):
    ended = BEGIN.replace(minute=12)
    failed = KubeflowTask(
        name="Trainer", state="failed", tries=3, began=BEGIN, ended=ended, look=LOOK
    )
    print_run(console, _run("x", failed, KubeflowTask(name="Pusher", state="never ran")), False)
    said = console.file.getvalue()
    assert f"\nTrainer failed: {LOOK}\n" in said
    assert "failed    │ 3     │ 2026-01-02 03:00:00 │ 0:12:00" in said
    assert "ended    2026-01-02 05:00:00 UTC, after 2:00:00" in said
    assert "given    epochs=12" in said


def test_a_run_that_was_stopped_is_said_to_have_been(console):
    print_run(console, _run("x", stopped=True), as_json=False)
    assert "state    FAILED (it was told to stop)" in console.file.getvalue()


def test_a_run_that_did_not_succeed_says_how_to_see_its_pods(console):
    print_run(console, _run("x"), as_json=False)
    assert f"pods     {PODS}\n" in console.file.getvalue()
    print_run(console, _run("x").model_copy(update={"state": "SUCCEEDED"}), as_json=False)
    assert console.file.getvalue().count(PODS) == 1
