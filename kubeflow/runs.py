"""Runs on a Kubeflow Pipelines server: begun, watched, stopped, and begun on a schedule."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from components.errors import PipelineError, UsageError
from kubeflow.compiled import CompiledPipeline
from kubeflow.run_tasks import KubeflowTask, Time, pods_command, read_tasks
from kubeflow.server import Server, ServerRefusedError

SUCCEEDED = "SUCCEEDED"
_ENDED = frozenset({SUCCEEDED, "FAILED", "CANCELED", "SKIPPED"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two looks at a run that is waited for."""
_MOST_FAILURES = 8
"""Looks in a row that may fail: nearly two minutes, in which an API server is replaced."""


class KubeflowRun(BaseModel, frozen=True):
    """A run, by the names that Kubeflow's API has for what it says.

    Attributes:
        stopped: Whether it was told to stop, after which Kubeflow calls it failed.
        error: What the server says against it, which is never why a task failed.
        pods: The command that lists its pods.
    """

    run_id: str
    display_name: str = ""
    state: str = "PENDING"
    stopped: bool
    created_at: Time = None
    finished_at: Time = None
    error: str | None
    parameters: Mapping[str, Any]
    page: str
    pods: str
    tasks: tuple[KubeflowTask, ...]


@dataclass(frozen=True)
class Job:
    """What is to run; each name is the pipeline's, and the account the server's, if not given."""

    pipeline: CompiledPipeline
    values: Mapping[str, Any]
    name: str | None = None
    experiment: str | None = None
    service_account: str | None = None

    def body(self, server: Server, name: str) -> dict[str, Any]:
        """The API's form of it, in an experiment that is made where it is not there."""
        title = self.experiment or self.pipeline.name
        made = {"display_name": title, "namespace": server.namespace or ""}
        found = server.named("experiments", title) or [server.ask("POST", "experiments", made)]
        return {
            "display_name": name,
            "experiment_id": found[0].get("experiment_id"),
            "pipeline_spec": self.pipeline.documents,
            "runtime_config": {"parameters": dict(self.values)},
            "service_account": self.service_account or "",
        }


def submit(server: Server, job: Job) -> KubeflowRun:
    """Begins a run."""
    name = job.name or f"{job.pipeline.name} {datetime.now():%Y-%m-%d %H-%M-%S}"
    return _run(server, server.ask("POST", "runs", job.body(server, name)))


def schedule(server: Server, job: Job, cron: str, *, catch_up: bool = False) -> str:
    """Makes a schedule, which Kubeflow calls a recurring run, and returns its id.

    One run is begun at a time: it holds the shared folder to itself. `cron` has six fields;
    `catch_up` makes up for every time that was missed, rather than for the last alone.
    """
    name = job.name or job.pipeline.name
    if same := server.named("recurringRuns", name):
        raise UsageError(
            f"{server.host} has a schedule {name!r} already: give --name another, or "
            f"`kfp recurring-run delete {same[0].get('recurring_run_id')}` first."
        )
    when = {
        "trigger": {"cron_schedule": {"cron": cron}},
        "mode": "ENABLE",
        "max_concurrency": "1",
        "no_catchup": not catch_up,
    }
    made = server.ask("POST", "recurringruns", {**job.body(server, name), **when})
    return str(made.get("recurring_run_id"))


def wait(server: Server, run_id: str, seen: Callable[[KubeflowRun], None]) -> KubeflowRun:
    """Waits until a run has ended, and for a server that is away for a while.

    At each change of the run's state, `seen` is shown the run.
    """
    state, pause, failures = "", _FIRST_PAUSE, 0
    while True:
        try:
            run = get_run(server, run_id)
        except PipelineError as error:
            failures += 1
            refused = isinstance(error, ServerRefusedError) and error.status // 100 == 4
            if failures > _MOST_FAILURES or refused:
                raise
        else:
            failures = 0
            if run.state != state:
                seen(run)
            if run.state in _ENDED:
                return run
            state = run.state
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def get_run(server: Server, run_id: str) -> KubeflowRun:
    """Looks a run up, whose id a person may have mistyped."""
    try:
        return _run(server, server.ask("GET", f"runs/{quote(run_id, safe='')}"))
    except ServerRefusedError as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
        said = f"{server.host} has no run {run_id}: `kfp run list` shows the existing ones."
        raise ServerRefusedError(said, refusal.status) from refusal


def stop(server: Server, run_id: str) -> KubeflowRun:
    """Ends a run that has not ended; what its tasks have finished stays."""
    run = get_run(server, run_id)
    if run.state in _ENDED:
        raise PipelineError(f"The run {run_id} cannot be stopped: it has ended ({run.state}).")
    server.ask("POST", f"runs/{run.run_id}:terminate")
    return get_run(server, run_id)


def _run(server: Server, run: Mapping[str, Any]) -> KubeflowRun:
    namespace = server.namespace or "kubeflow"
    try:
        found = {
            **run,
            "error": (run.get("error") or {}).get("message"),
            "parameters": (run.get("runtime_config") or {}).get("parameters", {}),
            "stopped": any(one.get("state") == "CANCELING" for one in run.get("state_history", ())),
            "page": f"{server.host}/#/runs/details/{run['run_id']}",
            "pods": pods_command(run["run_id"], namespace),
            "tasks": read_tasks(run, namespace, has_ended=run.get("state") in _ENDED),
        }
        return KubeflowRun.model_validate(found)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        said = f"{server.host} answers with something that is not a run of Kubeflow Pipelines 2."
        raise PipelineError(said) from error
