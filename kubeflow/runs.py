"""Runs on a Kubeflow Pipelines server: begun, watched, listed, stopped."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import Any

from components.errors import PipelineError
from kubeflow.compiled import CompiledPipeline
from kubeflow.refusals import ServerRefusedError
from kubeflow.server import Server

SUCCEEDED = "SUCCEEDED"
_ENDED = frozenset({SUCCEEDED, "FAILED", "CANCELED", "SKIPPED"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two looks at a run that is waited for."""
_MOST_FAILURES = 8
"""Looks in a row that may fail: nearly two minutes, in which an API server is replaced."""


@dataclass(frozen=True)
class KubeflowTask:
    """A task of a run.

    Attributes:
        name: The pipeline's name of it.
        state: Kubeflow's RuntimeState.
        began: When.
        ended: When.
        error: Why it failed.
    """

    name: str
    state: str
    began: datetime | None
    ended: datetime | None
    error: str | None


@dataclass(frozen=True)
class KubeflowRun:
    """A run.

    Attributes:
        run_id: Kubeflow's id.
        name: What people call it.
        state: Kubeflow's RuntimeState.
        created: When it was asked for.
        ended: When it ended.
        error: Why it failed.
        schedule: The id of the schedule that began it.
        parameters: The values that it was given.
        page: The address of its page in Kubeflow.
        tasks: Its tasks, in the order of their beginning.
    """

    run_id: str
    name: str
    state: str
    created: datetime | None
    ended: datetime | None
    error: str | None
    schedule: str | None
    parameters: Mapping[str, Any]
    page: str
    tasks: tuple[KubeflowTask, ...]

    @property
    def has_ended(self) -> bool:
        """Whether its state is final."""
        return self.state in _ENDED


def submit(
    server: Server,
    pipeline: CompiledPipeline,
    values: Mapping[str, Any],
    *,
    name: str | None = None,
    experiment: str | None = None,
    service_account: str | None = None,
) -> KubeflowRun:
    """Begins a run.

    Args:
        server: Where.
        pipeline: The compiled file.
        values: The parameters' values, checked.
        name: What people call the run; by default the pipeline's name and the time.
        experiment: The experiment that it is counted with; by default the pipeline's name.
        service_account: The Kubernetes account of its tasks; by default the server's choice.

    Returns:
        The run.

    Raises:
        PipelineError: The server is not reached, or refuses it.
    """
    created = server.client.run_pipeline(
        experiment_id=experiment_id(server, experiment or pipeline.name),
        job_name=name or f"{pipeline.name} {datetime.now():%Y-%m-%d %H-%M-%S}",
        pipeline_package_path=str(pipeline.path),
        params=dict(values),
        service_account=service_account,
    )
    return _run(server, created)


def wait(
    server: Server, run_id: str, seen: Callable[[KubeflowRun], None] | None = None
) -> KubeflowRun:
    """Waits until a run has ended, and for a server that is away for a while.

    Args:
        server: Where.
        run_id: Kubeflow's id.
        seen: Is shown the run at each change of its state.

    Returns:
        The ended run.

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
            if run.has_ended:
                return run
            state = run.state
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def get_run(server: Server, run_id: str) -> KubeflowRun:
    """Looks a run up.

    Args:
        server: Where.
        run_id: Kubeflow's id.

    Returns:
        The run.

    Raises:
        PipelineError: The server is not reached, or does not know it.
    """
    try:
        return _run(server, server.client.get_run(run_id))
    except ServerRefusedError as refusal:
        if refusal.status == HTTPStatus.NOT_FOUND:
            raise PipelineError(
                f"{server.config.host} has no run {run_id}: `mri kubeflow runs list` shows the "
                "existing ones."
            ) from refusal
        raise


def list_runs(server: Server, limit: int, experiment: str | None = None) -> list[KubeflowRun]:
    """Lists runs, the newest first.

    Args:
        server: Where.
        limit: How many at most.
        experiment: Only those of this experiment.

    Returns:
        The runs.

    Raises:
        PipelineError: The server is not reached, or there is no such experiment.
    """
    within = (
        {"experiment_id": _known_experiment(server, experiment)}
        if experiment
        else {"namespace": server.namespace}
    )
    found = server.listed(server.client.list_runs, "runs", most=limit, **within)
    return [_run(server, run) for run in islice(found, limit)]


def stop(server: Server, run_id: str) -> KubeflowRun:
    """Ends a run; what its tasks have finished stays.

    Args:
        server: Where.
        run_id: Kubeflow's id.

    Returns:
        The run as it is then.

    Raises:
        PipelineError: There is no such run, or it has ended already.
    """
    run = get_run(server, run_id)
    if run.has_ended:
        raise PipelineError(f"The run {run_id} cannot be stopped: it has ended ({run.state}).")
    server.client.terminate_run(run_id)
    return get_run(server, run_id)


def experiment_id(server: Server, name: str) -> str:
    """The id of an experiment, which is made where it is not there.

    Args:
        server: Where.
        name: Its name.

    Returns:
        The id.

    Raises:
        PipelineError: The server is not reached, or two have that name.
    """
    try:
        experiment = server.client.create_experiment(name=name, namespace=server.namespace)
    except ValueError as error:
        raise PipelineError(
            f"{server.config.host} has several experiments of the name {name!r}: give --experiment "
            "another."
        ) from error
    return str(experiment.experiment_id)


def _may_pass(error: PipelineError) -> bool:
    """Whether trying again may help: the server was not reached, or has failed itself."""
    if isinstance(error, ServerRefusedError):
        return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error.__cause__, ServerRefusedError)


def _known_experiment(server: Server, name: str) -> str:
    try:
        found = server.client.get_experiment(experiment_name=name, namespace=server.namespace)
    except ValueError as error:
        raise PipelineError(f"{server.config.host}: {error}") from error
    return str(found.experiment_id)


def _run(server: Server, run: Any) -> KubeflowRun:
    details = (run.run_details.task_details if run.run_details else None) or ()
    tasks = [
        KubeflowTask(
            name=task.display_name or "",
            state=task.state or "PENDING",
            began=task.start_time,
            ended=_time(task.end_time),
            error=_error(task.error),
        )
        for task in details
    ]
    # The tasks that have not begun come last.
    tasks.sort(key=lambda task: (task.began is None, task.began))
    return KubeflowRun(
        run_id=run.run_id,
        name=run.display_name or "",
        state=run.state or "PENDING",
        created=run.created_at,
        ended=_time(run.finished_at),
        error=_error(run.error),
        schedule=run.recurring_run_id or None,
        parameters=(run.runtime_config.parameters if run.runtime_config else None) or {},
        page=server.run_page(run.run_id),
        tasks=tuple(tasks),
    )


def _error(status: Any) -> str | None:
    return " ".join(status.message.split()) if status and status.message else None


def _time(value: datetime | None) -> datetime | None:
    """A time; the server's zero time, 1970, means that there is none yet."""
    return value if value is None or value.timestamp() > 0 else None
