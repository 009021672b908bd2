import pytest

from components.errors import PipelineError
from kubeflow import runs
from kubeflow.compiled import read_compiled
from kubeflow.runs import Job


@pytest.fixture
def pipeline(compiled):
    return read_compiled(compiled)


def test_a_run_is_given_the_file_and_its_values(server, connected, pipeline):
    run = runs.submit(
        connected, Job(pipeline, {"data": "incoming", "span": 7}, service_account="mri")
    )
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
    assert (run.state, run.finished_at) == ("PENDING", None)


def test_an_experiment_is_made_once(server, connected, pipeline):
    for name in ("one", "two"):
        runs.submit(connected, Job(pipeline, {"data": "x"}, name=name, experiment="nightly"))
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
    run = runs.submit(connected, Job(pipeline, {"data": "x"}))
    ended = runs.wait(connected, run.run_id, lambda one: seen.append(one.state))
    assert ended.state == end
    assert seen == ["PENDING", "RUNNING", end]
    assert pauses == [0.5, 1.0, 2.0]


def test_a_server_that_is_away_for_a_while_is_waited_for(server, connected, pipeline, monkeypatch):
    run_id = runs.submit(connected, Job(pipeline, {"data": "x"})).run_id
    server.runs[0].state = "SUCCEEDED"
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            server.override = None

    monkeypatch.setattr(runs.time, "sleep", pause)
    server.override = lambda handler: handler.say(503, {"code": 14, "message": "Later."})
    assert runs.wait(connected, run_id, str).state == "SUCCEEDED"
    assert len(pauses) == 3

    pauses.append(0)  # from here on it stays away
    server.override = lambda handler: handler.say(503, {"code": 14, "message": "Later."})
    with pytest.raises(PipelineError, match="Later"):
        runs.wait(connected, run_id, str)
    assert sum(pauses[4:]) > 60


@pytest.mark.parametrize(("status", "code"), [(401, 16), (403, 7), (404, 5)])
def test_a_refusal_ends_the_waiting(server, connected, pipeline, monkeypatch, status, code):
    run_id = runs.submit(connected, Job(pipeline, {"data": "x"})).run_id
    server.override = lambda handler: handler.say(status, {"code": code, "message": "No."})
    monkeypatch.setattr(runs.time, "sleep", lambda seconds: pytest.fail("it was tried again"))
    with pytest.raises(PipelineError):
        runs.wait(connected, run_id, str)


def test_a_run_is_stopped_once(server, connected, pipeline):
    run = runs.submit(connected, Job(pipeline, {"data": "x"}))
    assert runs.stop(connected, run.run_id).state == "CANCELING"
    server.runs[0].state = "CANCELED"
    with pytest.raises(PipelineError, match=r"cannot be stopped: it has ended \(CANCELED\)"):
        runs.stop(connected, run.run_id)
    with pytest.raises(PipelineError, match="has no run nothing"):
        runs.stop(connected, "nothing")


def test_a_schedule_runs_one_at_a_time_and_makes_up_for_the_last_time_only(
    server, connected, pipeline
):
    made = runs.schedule(connected, Job(pipeline, {"data": "x", "span": -1}), "0 0 3 * * *")
    [sent] = server.schedules
    assert sent.trigger.cron_schedule.cron == "0 0 3 * * *"
    assert (int(sent.max_concurrency), sent.no_catchup) == (1, True)
    assert sent.runtime_config.parameters == {"data": "x", "span": -1}
    assert (sent.recurring_run_id, sent.display_name, sent.mode) == (made, "brain-mri", "ENABLE")


def test_a_schedule_may_make_up_for_each_time(server, connected, pipeline):
    job = Job(pipeline, {"data": "x"}, "nightly")
    runs.schedule(connected, job, "@daily", catch_up=True)
    [sent] = server.schedules
    assert (sent.mode, sent.no_catchup, sent.display_name) == ("ENABLE", False, "nightly")


def test_a_name_that_is_taken_is_not_taken_twice(server, connected, pipeline):
    job = Job(pipeline, {"data": "x"}, "nightly")
    made = runs.schedule(connected, job, "@daily")
    with pytest.raises(PipelineError, match=f"kfp recurring-run delete {made}"):
        runs.schedule(connected, job, "@hourly")
    assert len(server.schedules) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"run_id": "x", "created_at": "yesterday"},
        {"run_id": "x", "state": 3},
        {"run_id": "x", "run_details": [1]},
        {"run_id": "x", "run_details": {"task_details": [7]}},
        {"run_id": "x", "pipeline_spec": {"root": {"dag": {"tasks": {"a": {}}}}}},
    ],
)
def test_an_answer_that_is_no_run_is_said_to_be_none(server, connected, answer):
    server.override = lambda handler: handler.say(200, answer)
    with pytest.raises(PipelineError, match=r"that is not a run of Kubeflow Pipelines 2\.$"):
        runs.get_run(connected, "x")
