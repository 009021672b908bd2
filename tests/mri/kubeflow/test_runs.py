"""The command itself, against a server on loopback."""

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import kfp_nodes
import kfp_server
import kfp_server_api as api
import mri_command
import pytest

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kfp_server.compile_pipeline(tmp_path_factory.mktemp("compiled") / "pipeline.yaml")


@pytest.fixture
def server():
    with kfp_server.running() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MRI_KFP")]:
        monkeypatch.delenv(name)


def mri(*arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    return mri_command.mri("kubeflow", *map(str, arguments), **variables)


@pytest.mark.parametrize(
    "command",
    [["submit"], ["schedule"], ["runs", "show"], ["runs", "stop"]],
)
def test_help_shows_an_example(command):
    result = mri(*command, "--help")
    assert result.returncode == 0, result.stderr
    assert f"mri kubeflow {' '.join(command)}" in result.stdout


@pytest.mark.parametrize(
    "words",
    [[], ["check"], ["compile"], ["rehearse"], ["submit"], ["schedule"], ["runs", "show"]],
)
def test_help_loads_no_kfp_and_no_kubernetes(words):
    code = (
        "import sys; from mri import main as cli\n"
        f"try: cli.app(['kubeflow', *{words}, '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('kfp', 'kfp_server_api', 'kubernetes')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_submit_waits_and_shows_and_stops(server, compiled):
    def succeed(run):
        run.state = "SUCCEEDED"

    server.on_get_run = succeed
    where = {"MRI_KFP_HOST": server.address}
    done = mri("submit", compiled, "--param", "data=incoming", "--wait", "--json", **where)
    assert (done.returncode, done.stderr) == (0, "")
    run = json.loads(done.stdout)
    assert (run["state"], run["parameters"]["data"]) == ("SUCCEEDED", "incoming")

    shown = mri("runs", "show", run["run_id"], **where)
    assert f"{server.address}/#/runs/details/{run['run_id']}" in shown.stdout
    assert "data=incoming" in shown.stdout
    stopped = mri("runs", "stop", run["run_id"], "--host", server.address)
    assert stopped.returncode == 1
    assert stopped.stderr.startswith("mri: The run ")
    assert "it has ended (SUCCEEDED)" in stopped.stderr


def test_a_run_that_fails_is_a_failure_of_the_command(server, compiled):
    def fail(run):
        run.state = "FAILED"

    server.on_get_run = fail
    result = mri("submit", compiled, "--param", "data=x", "--wait", "--host", server.address)
    assert result.returncode == 1
    assert "FAILED" in result.stdout
    assert result.stderr == ""


def test_who_waits_sees_a_row_a_task_and_where_to_look(server, tmp_path):
    chain = kfp_nodes.compile_chain(tmp_path / "chain.yaml", ["ingest", "trainer", "pusher"])
    states = iter(["RUNNING", "FAILED"])
    begin = datetime(2026, 1, 2, tzinfo=timezone.utc)

    def go_on(run):
        run.state = next(states)
        attempts = ["Failed", "Running"] if run.state == "RUNNING" else ["Failed", "Failed"]
        tasks = {"ingest": ["Succeeded"], "trainer": attempts, "pusher": []}
        rows = kfp_nodes.Workflow(tasks, begin, all_retried=True).details(run.run_id)
        run.run_details = api.V2beta1RunDetails(task_details=rows)

    server.on_get_run = go_on
    result = mri("submit", chain, "--wait", "--host", server.address)
    assert (result.returncode, result.stderr) == (1, "")
    said = [line.split("│")[1:4] for line in result.stdout.splitlines() if "│" in line]
    assert [tuple(cell.strip() for cell in cells) for cells in said] == [
        ("Ingest", "succeeded", "1"), ("Trainer", "failed", "2"), ("Pusher", "never ran", ""),
        ("RunEnd", "succeeded", "1"),
    ]  # fmt: skip
    assert "\nTrainer failed: kubectl logs -n kubeflow scripts-x7k2f-retry-system-" in result.stdout


@pytest.fixture
def _interrupts_are_heeded():
    """Undoes what a shell does to programs that it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interrupts_are_heeded")
def test_who_stops_waiting_does_not_stop_the_run(server, compiled):
    def interrupt(run):
        run.state = "RUNNING"
        os.kill(os.getpid(), signal.SIGINT)

    server.on_get_run = interrupt
    waiting = mri("submit", compiled, "--param", "data=x", "--wait", "--host", server.address)
    assert waiting.returncode == 130
    assert f"The run continues: mri kubeflow runs show {server.runs[0].run_id}" in waiting.stdout
    assert server.runs[0].state == "RUNNING"


def test_schedule_says_what_it_made_of_five_fields(server, compiled):
    result = mri(
        "schedule", compiled, "--cron", "0 3 * * *", "--span", "latest", "--param", "data=x",
        "--name", "nightly [mri]", "--host", server.address,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert "cron '0 3 * * *' is '0 0 3 * * *' for Kubeflow" in result.stdout
    given = server.schedules[0].runtime_config.parameters
    assert (given["data"], given["span"], given["min_accuracy"]) == ("x", -1, 0.5)
    [made] = server.schedules
    assert (made.display_name, made.trigger.cron_schedule.cron) == ("nightly [mri]", "0 0 3 * * *")
    assert f"schedule {made.recurring_run_id} is enabled\n" in result.stdout


def test_what_is_wrong_is_said_before_anything_is_sent(server, compiled):
    for arguments, says in (
        (("submit", compiled, "--param", "spam=7"), "did you mean 'span'?"),
        (("submit", "nowhere.yaml"), "cannot be read"),
        (("submit", compiled, "--param", "data=x", "--span", "newest"), "must be a whole number"),
        (("schedule", compiled, "--cron", "nightly", "--param", "data=x"), "has 1 fields"),
    ):
        result = mri(*arguments, "--host", server.address)
        assert result.returncode == 2
        assert says in result.stderr
        assert result.stderr.count("\n") == 1
    assert server.requests == []
    result = mri("runs", "show", "x")
    assert result.returncode == 2
    assert "There is no Kubeflow Pipelines server: give --host" in result.stderr
