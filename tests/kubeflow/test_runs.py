import copy
from datetime import timedelta

import kfp_server_api as api
import pytest

from components.errors import PipelineError
from kubeflow import runs, schedules
from kubeflow.compiled import read_compiled
from kubeflow.server import Server, ServerConfig


@pytest.fixture
def connected(server):
    return Server(ServerConfig(host=server.address))


@pytest.fixture
def pipeline(compiled):
    return read_compiled(compiled)


def test_a_run_is_given_the_file_and_its_values(server, connected, pipeline):
    run = runs.submit(connected, pipeline, {"data": "incoming", "span": 7}, service_account="mri")
    [sent] = server.runs
    assert sent.run_id == run.run_id
    assert sent.display_name.startswith("brain-mri 20")
    assert sent.runtime_config.parameters == {"data": "incoming", "span": 7}
    assert sent.service_account == "mri"
    container = sent.pipeline_spec["deploymentSpec"]["executors"]["exec-node"]["container"]
    assert container["image"] == "brain-mri-pipeline:test"
    [experiment] = server.experiments
    assert (experiment.display_name, experiment.experiment_id) == ("brain-mri", sent.experiment_id)
    assert run.page == f"{server.address}/#/runs/details/{run.run_id}"
    assert (run.state, run.ended) == ("PENDING", None)


def test_an_experiment_is_made_once(server, connected, pipeline):
    for name in ("one", "two"):
        runs.submit(connected, pipeline, {"data": "x"}, name=name, experiment="nightly")
    assert [one.display_name for one in server.experiments] == ["nightly"]
    assert [one.display_name for one in server.runs] == ["one", "two"]


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"])
def test_waiting_ends_with_the_run_however_it_ends(server, connected, pipeline, end, monkeypatch):
    pauses = []
    monkeypatch.setattr(runs.time, "sleep", pauses.append)
    states = iter(["PENDING", "RUNNING", "RUNNING", end])

    def go_on(run):
        run.state = next(states)

    server.on_get_run = go_on
    seen = []
    run = runs.submit(connected, pipeline, {"data": "x"})
    ended = runs.wait(connected, run.run_id, lambda one: seen.append(one.state))
    assert ended.state == end
    assert seen == ["PENDING", "RUNNING", end]
    assert pauses == [0.5, 1.0, 2.0]


def test_a_server_that_is_away_for_a_while_is_waited_for(server, connected, pipeline, monkeypatch):
    run_id = runs.submit(connected, pipeline, {"data": "x"}).run_id
    server.runs[0].state = "SUCCEEDED"
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            server.override = None

    monkeypatch.setattr(runs.time, "sleep", pause)
    server.override = lambda handler: handler.say(503, {"code": 14, "message": "Later."})
    assert runs.wait(connected, run_id).state == "SUCCEEDED"
    assert len(pauses) == 3

    pauses.append(0)  # from here on it stays away
    server.override = lambda handler: handler.say(503, {"code": 14, "message": "Later."})
    with pytest.raises(PipelineError, match="Later"):
        runs.wait(connected, run_id)
    assert sum(pauses[4:]) > 60


@pytest.mark.parametrize(("status", "code"), [(401, 16), (403, 7), (404, 5)])
def test_a_refusal_ends_the_waiting(server, connected, pipeline, monkeypatch, status, code):
    run_id = runs.submit(connected, pipeline, {"data": "x"}).run_id
    server.override = lambda handler: handler.say(status, {"code": code, "message": "No."})
    monkeypatch.setattr(runs.time, "sleep", lambda seconds: pytest.fail("it was tried again"))
    with pytest.raises(PipelineError):
        runs.wait(connected, run_id)


def test_all_pages_of_a_list_are_read_up_to_the_limit(server, connected, pipeline):
    runs.submit(connected, pipeline, {"data": "x"})
    [first] = server.runs
    server.runs[:] = [copy.copy(first) for _ in range(105)]
    for index, run in enumerate(server.runs):
        run.display_name = f"run {index}"
    found = runs.list_runs(connected, 103)
    assert [one.name for one in found] == [f"run {index}" for index in range(104, 1, -1)]
    assert len(runs.list_runs(connected, 1000)) == 105


def test_runs_of_one_experiment(server, connected, pipeline):
    runs.submit(connected, pipeline, {"data": "x"}, name="a", experiment="one")
    runs.submit(connected, pipeline, {"data": "x"}, name="b", experiment="two")
    assert [one.name for one in runs.list_runs(connected, 9, "one")] == ["a"]
    with pytest.raises(PipelineError, match="No experiment is found with name three"):
        runs.list_runs(connected, 9, "three")


def test_a_failed_run_says_which_task_failed_and_why(server, connected, pipeline):
    run_id = runs.submit(connected, pipeline, {"data": "x"}).run_id
    [run] = server.runs
    run.state, run.finished_at = "FAILED", run.created_at + timedelta(minutes=3)
    run.error = api.GoogleRpcStatus(code=13, message="a task\nfailed")
    tasks = [
        api.V2beta1PipelineTaskDetail(display_name="Pusher", state="SKIPPED"),
        api.V2beta1PipelineTaskDetail(
            display_name="Trainer",
            state="FAILED",
            start_time=run.created_at + timedelta(minutes=2),
            error=api.GoogleRpcStatus(code=13, message="OOMKilled"),
        ),
        api.V2beta1PipelineTaskDetail(
            display_name="Ingest", state="SUCCEEDED", start_time=run.created_at
        ),
    ]
    run.run_details = api.V2beta1RunDetails(task_details=tasks)
    shown = runs.get_run(connected, run_id)
    assert (shown.error, shown.has_ended) == ("a task failed", True)
    assert [(one.name, one.error) for one in shown.tasks] == [
        ("Ingest", None), ("Trainer", "OOMKilled"), ("Pusher", None),
    ]  # fmt: skip
    assert shown.ended - shown.created == timedelta(minutes=3)


def test_a_run_is_stopped_once(server, connected, pipeline):
    run = runs.submit(connected, pipeline, {"data": "x"})
    assert runs.stop(connected, run.run_id).state == "CANCELING"
    server.runs[0].state = "CANCELED"
    with pytest.raises(PipelineError, match=r"cannot be stopped: it has ended \(CANCELED\)"):
        runs.stop(connected, run.run_id)
    with pytest.raises(PipelineError, match="has no run nothing"):
        runs.stop(connected, "nothing")


def test_a_schedule_runs_one_at_a_time_and_makes_up_for_the_last_time_only(
    server, connected, pipeline
):
    made = schedules.create(connected, pipeline, {"data": "x", "span": -1}, "0 0 3 * * *")
    [sent] = server.schedules
    assert sent.trigger.cron_schedule.cron == "0 0 3 * * *"
    assert (int(sent.max_concurrency), sent.no_catchup) == (1, True)
    assert sent.runtime_config.parameters == {"data": "x", "span": -1}
    assert (made.name, made.enabled, made.cron) == ("brain-mri", True, "0 0 3 * * *")


def test_a_schedule_is_switched_off_and_on_and_removed(server, connected, pipeline):
    made = schedules.create(
        connected, pipeline, {"data": "x"}, "@daily", name="nightly", enabled=False, catch_up=True
    )
    assert not made.enabled
    assert server.schedules[0].no_catchup is False
    assert schedules.switch(connected, "nightly", on=True).enabled
    assert not schedules.switch(connected, made.schedule_id, on=False).enabled
    assert [one.name for one in schedules.list_schedules(connected)] == ["nightly"]
    schedules.delete(connected, "nightly")
    assert schedules.list_schedules(connected) == []
    with pytest.raises(PipelineError, match="has no schedule nightly"):
        schedules.delete(connected, "nightly")


def test_a_name_that_is_taken_is_not_taken_twice(server, connected, pipeline):
    made = schedules.create(connected, pipeline, {"data": "x"}, "@daily", name="nightly")
    with pytest.raises(PipelineError, match=f"schedules delete {made.schedule_id}"):
        schedules.create(connected, pipeline, {"data": "x"}, "@hourly", name="nightly")
    assert len(server.schedules) == 1


def test_a_name_that_two_have_is_not_guessed_at(server, connected, pipeline):
    for name in ("nightly", "daily"):
        schedules.create(connected, pipeline, {"data": "x"}, "@daily", name=name)
    server.schedules[1].display_name = "nightly"
    with pytest.raises(PipelineError, match="has several schedules nightly"):
        schedules.delete(connected, "nightly")
    assert len(server.schedules) == 2
