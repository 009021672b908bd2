"""Runs on a Kubeflow Pipelines server: begun, watched, stopped, and begun on a schedule."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from components.errors import PipelineError
from kubeflow.compiled import CompiledPipeline
from kubeflow.run_tasks import KubeflowTask, Time, pods_command, read_tasks
from kubeflow.server import Server, ServerRefusedError

SUCCEEDED = "SUCCEEDED"
_ENDED = frozenset({SUCCEEDED, "FAILED", "CANCELED", "SKIPPED"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two looks at a run that is waited for."""
_AT_ONCE = 1
"""Runs of a schedule at the same time: a run holds the shared folder to itself."""
_MOST_FAILURES = 8
"""Looks in a row that may fail: nearly two minutes, in which an API server is replaced."""


class KubeflowRun(BaseModel, frozen=True):
    """A run.

    Attributes:
        run_id: Kubeflow's id.
        name: What people call it.
        state: Kubeflow's RuntimeState.
        stopped: Whether it was told to stop, after which Kubeflow calls it failed.
        created: When it was asked for.
        ended: When it ended.
        error: What the server says against it, which is never why a task failed.
        schedule: The id of the schedule that began it.
        parameters: The values that it was given.
        page: The address of its page in Kubeflow.
        pods: The command that lists its pods.
        tasks: Its tasks, in the order of the graph.
    """

    run_id: str
    name: str
    state: str
    stopped: bool
    created: Time
    ended: Time
    error: str | None
    schedule: str | None
    parameters: Mapping[str, Any]
    page: str
    pods: str
    tasks: tuple[KubeflowTask, ...]


@dataclass(frozen=True)
class Job:
    """What is to run.

    Attributes:
        pipeline: The compiled file.
        values: The parameters' values, checked.
        name: What people call the run or the schedule; by default the pipeline's name.
        experiment: The experiment that it is counted with, likewise.
        service_account: The Kubernetes account of its tasks; by default the server's choice.
    """

    pipeline: CompiledPipeline
    values: Mapping[str, Any]
    name: str | None = None
    experiment: str | None = None
    service_account: str | None = None

    def body(self, server: Server, name: str, more: Mapping[str, Any] = {}) -> dict[str, Any]:
        """The API's form of it, in an experiment that is made where it is not there."""
        title = {"display_name": self.experiment or self.pipeline.name}
        found = server.named("experiments", title["display_name"]) or [
            server.ask("POST", "experiments", {**title, "namespace": server.namespace or ""})
        ]
        return {
            "display_name": name,
            "experiment_id": found[0].get("experiment_id"),
            "pipeline_spec": self.pipeline.documents,
            "runtime_config": {"parameters": dict(self.values)},
            "service_account": self.service_account or "",
            **more,
        }


def submit(server: Server, job: Job) -> KubeflowRun:
    """Begins a run.

    Raises:
        PipelineError: The server is not reached, or refuses it.
    """
    name = job.name or f"{job.pipeline.name} {datetime.now():%Y-%m-%d %H-%M-%S}"
    return _run(server, server.ask("POST", "runs", job.body(server, name)))


def schedule(
    server: Server, job: Job, cron: str, *, enabled: bool = True, catch_up: bool = False
) -> str:
    """Makes a schedule, which Kubeflow calls a recurring run.

    Args:
        server: Where.
        job: What is to run.
        cron: When, in six fields.
        enabled: Whether runs begin from now on.
        catch_up: Whether every time that was missed is made up for, rather than the last alone.

    Returns:
        Kubeflow's id of it.

    Raises:
        PipelineError: One of that name is there, or the server refuses it or is not reached.
    """
    name = job.name or job.pipeline.name
    if same := server.named("recurringRuns", name):
        raise PipelineError(
            f"{server.host} has a schedule {name!r} already: give --name another, or "
            f"`kfp recurring-run delete {same[0].get('recurring_run_id')}` first."
        )
    when = {
        "trigger": {"cron_schedule": {"cron": cron}},
        "mode": "ENABLE" if enabled else "DISABLE",
        "max_concurrency": str(_AT_ONCE),
        "no_catchup": not catch_up,
    }
    made = server.ask("POST", "recurringruns", job.body(server, name, when))
    return str(made.get("recurring_run_id"))


def wait(
    server: Server, run_id: str, seen: Callable[[KubeflowRun], None] | None = None
) -> KubeflowRun:
    """Waits until a run has ended, and for a server that is away for a while.

    Args:
        server: Where.
        run_id: Kubeflow's id.
        seen: Is shown the run at each change of its state.

    Raises:
        PipelineError: The server is not reached, or does not know it.
    """
    state, pause, failures = "", _FIRST_PAUSE, 0
    while True:
        try:
            run = get_run(server, run_id)
        except PipelineError as error:
            failures += 1
            if failures > _MOST_FAILURES or not _may_pass(error):
                raise
        else:
            failures = 0
            if run.state != state and seen:
                seen(run)
            if run.state in _ENDED:
                return run
            state = run.state
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def get_run(server: Server, run_id: str) -> KubeflowRun:
    """Looks a run up.

    Raises:
        PipelineError: The server is not reached, or does not know it.
    """
    try:
        return _run(server, server.ask("GET", f"runs/{quote(run_id, safe='')}"))
    except ServerRefusedError as refusal:
        if refusal.status == HTTPStatus.NOT_FOUND:
            raise PipelineError(
                f"{server.host} has no run {run_id}: `kfp run list` shows the existing ones."
            ) from refusal
        raise


def stop(server: Server, run_id: str) -> KubeflowRun:
    """Ends a run; what its tasks have finished stays.

    Raises:
        PipelineError: There is no such run, or it has ended already.
    """
    run = get_run(server, run_id)
    if run.state in _ENDED:
        raise PipelineError(f"The run {run_id} cannot be stopped: it has ended ({run.state}).")
    server.ask("POST", f"runs/{run.run_id}:terminate")
    return get_run(server, run_id)


def _may_pass(error: PipelineError) -> bool:
    """Whether trying again may help: the server was not reached, or has failed itself."""
    if isinstance(error, ServerRefusedError):
        return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error.__cause__, ServerRefusedError)


def _run(server: Server, run: Mapping[str, Any]) -> KubeflowRun:
    run_id: Any = run.get("run_id")
    state = run.get("state", "PENDING")
    namespace = server.namespace or "kubeflow"
    try:
        return KubeflowRun(
            run_id=run_id,
            name=run.get("display_name", ""),
            state=state,
            stopped=any(one.get("state") == "CANCELING" for one in run.get("state_history", ())),
            created=run.get("created_at"),
            ended=run.get("finished_at"),
            error=(run.get("error") or {}).get("message"),
            schedule=run.get("recurring_run_id"),
            parameters=run.get("runtime_config", {}).get("parameters", {}),
            page=server.run_page(run_id),
            pods=pods_command(run_id, namespace),
            tasks=read_tasks(run, namespace, has_ended=state in _ENDED),
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        what = "answers with something that is not a run of Kubeflow Pipelines 2."
        raise PipelineError(f"{server.host} {what}") from error
