"""What a run's tasks came to, read from what the API server really answers."""

from datetime import datetime, timedelta, timezone

import kfp_nodes
import kfp_server_api as api
import pytest

from kubeflow import runs
from kubeflow.compiled import read_compiled
from kubeflow.runs import Job

BEGIN = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
NAMES = ["ingest", "statistics-gen", "gate", "trainer", "pusher"]
DONE = ["Succeeded"]


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    return read_compiled(kfp_nodes.compile_chain(folder / "chain.yaml", NAMES))


@pytest.fixture
def shown(server, connected, chain):
    """What `get_run` makes of a run whose tasks ended so."""

    def show(state, *attempts, stopped=False, **options):
        run_id = runs.submit(connected, Job(chain, {})).run_id
        workflow = kfp_nodes.Workflow(dict(zip(NAMES, attempts, strict=True)), BEGIN, **options)
        run = server.runs[-1]
        run.state, run.created_at = state, BEGIN
        run.finished_at = kfp_nodes.NEVER if state == "RUNNING" else BEGIN + timedelta(hours=2)
        states = ["PENDING", "RUNNING", *(["CANCELING"] if stopped else []), state]
        run.state_history = [
            api.V2beta1RuntimeStatus(state=one, update_time=BEGIN) for one in states
        ]
        run.run_details = api.V2beta1RunDetails(task_details=workflow.details(run_id))
        return runs.get_run(connected, run_id), workflow

    return show


@pytest.mark.parametrize("all_retried", [False, True])
def test_a_row_a_task_in_the_order_of_the_graph(shown, all_retried):
    run, workflow = shown("SUCCEEDED", DONE, DONE, DONE, DONE, DONE, all_retried=all_retried)
    assert len(workflow.nodes) > 2 * len(NAMES)
    assert [(one.name, one.state, one.tries) for one in run.tasks] == [
        ("Ingest", "succeeded", 1), ("StatisticsGen", "succeeded", 1), ("Gate", "succeeded", 1),
        ("Trainer", "succeeded", 1), ("Pusher", "succeeded", 1), ("RunEnd", "succeeded", 1),
    ]  # fmt: skip
    first = run.tasks[0]
    assert first.began > BEGIN
    assert first.ended > first.began
    assert {one.look for one in run.tasks} == {None}


@pytest.mark.parametrize("all_retried", [False, True])
def test_a_failed_task_names_its_last_pod_and_what_follows_never_ran(shown, all_retried):
    run, workflow = shown(
        "FAILED", DONE, DONE, DONE, ["Failed", "Error", "Failed"], [], all_retried=all_retried
    )
    trainer, pusher, ending = run.tasks[3:]
    assert (trainer.state, trainer.tries) == ("failed", 3)
    way = [kfp_nodes.WORKFLOW, "root", "exit-handler-1", "trainer"]
    name = ".".join([*(f"{step}(0)" if all_retried else step for step in way), "executor(2)"])
    pod = workflow.pod(name, "retry-system-container-impl")
    assert trainer.look == f"kubectl logs -n kubeflow {pod} -c main"
    assert (pusher.state, pusher.tries, pusher.began, pusher.look) == ("never ran", 0, None, None)
    assert (ending.state, ending.tries) == ("succeeded", 1)


@pytest.mark.parametrize("all_retried", [False, True])
def test_a_task_that_could_not_begin_names_its_driver(shown, all_retried):
    run, workflow = shown("FAILED", DONE, ["driver"], [], [], [], all_retried=all_retried)
    failed = run.tasks[1]
    assert (failed.state, failed.tries) == ("failed before it began", 0)
    way = [kfp_nodes.WORKFLOW, "root", "exit-handler-1", "statistics-gen-driver"]
    name = ".".join(f"{step}(0)" if all_retried else step for step in way)
    pod = workflow.pod(name, "system-container-driver")
    assert failed.look == f"kubectl logs -n kubeflow {pod} -c main"


def test_while_a_run_goes_on_what_waits_is_said_to_wait(shown):
    run, _ = shown("RUNNING", DONE, ["Failed", "Running"], [], [], [])
    assert [(one.state, one.tries) for one in run.tasks] == [
        ("succeeded", 1), ("running", 2), ("waits", 0), ("waits", 0), ("waits", 0), ("waits", 0),
    ]  # fmt: skip
    assert run.tasks[1].ended is None


def test_a_run_that_a_person_stopped_is_not_said_to_have_failed_by_itself(shown):
    run, _ = shown("FAILED", DONE, ["Failed"], [], [], [], stopped=True)
    assert run.stopped
    assert run.tasks[1].state == "failed"
    run, _ = shown("FAILED", DONE, ["Failed"], [], [], [])
    assert not run.stopped


def test_a_run_that_failed_before_its_tasks_names_its_pods(server, shown):
    """As it does where the driver of the whole pipeline fails: then no task has a row."""

    def forget(run):
        run.run_details.task_details = []

    server.on_get_run = lambda run: run.run_details and forget(run)
    run, _ = shown("FAILED", [], [], [], [], [])
    assert {(one.state, one.look) for one in run.tasks} == {("never ran", None)}
    assert run.pods == f"kubectl get pods -n kubeflow -l pipeline/runid={run.run_id}"


def test_a_run_of_a_pipeline_that_the_server_keeps_shows_what_it_can(server, shown):
    """Without the pipeline's own text there is no telling what its tasks are."""

    def forget(run):
        run.pipeline_spec = None

    server.on_get_run = forget
    run, _ = shown("SUCCEEDED", DONE, DONE, DONE, DONE, DONE)
    assert run.tasks == ()


def test_pods_whose_names_are_not_as_argo_makes_them_are_looked_up_by_the_run(shown, monkeypatch):
    monkeypatch.setattr(kfp_nodes, "_hash", lambda name: len(name))
    run, _ = shown("FAILED", ["Failed"], [], [], [], [])
    assert run.tasks[0].state == "failed"
    assert run.tasks[0].look == run.pods
