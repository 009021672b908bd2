"""Schedules on a Kubeflow Pipelines server; Kubeflow calls them recurring runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from components.errors import PipelineError
from kubeflow.compiled import CompiledPipeline
from kubeflow.refusals import ServerRefusedError
from kubeflow.runs import experiment_id
from kubeflow.server import Server

_AT_ONCE = 1
"""Runs of a schedule at the same time: a run holds the shared folder to itself."""


@dataclass(frozen=True)
class Schedule:
    """A schedule.

    Attributes:
        schedule_id: Kubeflow's id.
        name: What people call it.
        enabled: Whether runs begin.
        cron: When, as Kubeflow reads it; None where it is a period.
        created: When it was made.
        parameters: The values that its runs are given.
        error: What is wrong with it.
    """

    schedule_id: str
    name: str
    enabled: bool
    cron: str | None
    created: datetime | None
    parameters: Mapping[str, Any]
    error: str | None


def create(
    server: Server,
    pipeline: CompiledPipeline,
    values: Mapping[str, Any],
    cron: str,
    *,
    name: str | None = None,
    experiment: str | None = None,
    service_account: str | None = None,
    enabled: bool = True,
    catch_up: bool = False,
) -> Schedule:
    """Makes a schedule.

    Args:
        server: Where.
        pipeline: The compiled file.
        values: The parameters' values, checked.
        cron: When, in six fields.
        name: What people call it; by default the pipeline's name.
        experiment: The experiment that its runs are counted with; by default the pipeline's name.
        service_account: The Kubernetes account of its tasks; by default the server's choice.
        enabled: Whether runs begin at once.
        catch_up: Whether every time that was missed is made up for, rather than the last alone.

    Returns:
        The schedule.

    Raises:
        PipelineError: One of that name is there, or the server refuses it or is not reached.
    """
    name = name or pipeline.name
    if same := _named(server, name):
        raise PipelineError(
            f"{server.config.host} has a schedule {name!r} already: give --name another, or "
            f"`mri kubeflow schedules delete {same[0].schedule_id}` first."
        )
    return _schedule(
        server.client.create_recurring_run(
            experiment_id=experiment_id(server, experiment or pipeline.name),
            job_name=name,
            cron_expression=cron,
            max_concurrency=_AT_ONCE,
            no_catchup=not catch_up,
            params=dict(values),
            pipeline_package_path=str(pipeline.path),
            enabled=enabled,
            service_account=service_account,
        )
    )


def list_schedules(server: Server, **options: Any) -> list[Schedule]:
    """Lists schedules, the newest first.

    Args:
        server: Where.
        **options: What the client's method is told besides, such as `filter`.

    Returns:
        The schedules.

    Raises:
        PipelineError: The server is not reached.
    """
    ask = server.client.list_recurring_runs
    found = server.listed(ask, "recurring_runs", namespace=server.namespace, **options)
    return [_schedule(one) for one in found]


def switch(server: Server, name: str, *, on: bool) -> Schedule:
    """Enables a schedule, or disables it; a run that has begun continues.

    Args:
        server: Where.
        name: Its id or name.
        on: Whether runs begin from now on.

    Returns:
        The schedule.

    Raises:
        PipelineError: There is no such schedule.
    """
    found = find(server, name)
    client = server.client
    (client.enable_recurring_run if on else client.disable_recurring_run)(found.schedule_id)
    return find(server, found.schedule_id)


def delete(server: Server, name: str) -> Schedule:
    """Removes a schedule; its runs stay.

    Args:
        server: Where.
        name: Its id or name.

    Returns:
        What it was.

    Raises:
        PipelineError: There is no such schedule.
    """
    found = find(server, name)
    server.client.delete_recurring_run(found.schedule_id)
    return found


def find(server: Server, name: str) -> Schedule:
    """Looks a schedule up.

    Args:
        server: Where.
        name: Its id or name.

    Returns:
        The schedule.

    Raises:
        PipelineError: There is none, or several have that name.
    """
    try:
        return _schedule(server.client.get_recurring_run(name))
    except ServerRefusedError as refusal:
        if refusal.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
            raise
    named = _named(server, name)
    if len(named) == 1:
        return named[0]
    how_many = "several schedules" if named else "no schedule"
    raise PipelineError(
        f"{server.config.host} has {how_many} {name}: `mri kubeflow schedules list` shows their "
        "ids."
    )


def _named(server: Server, name: str) -> list[Schedule]:
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return list_schedules(server, filter=json.dumps({"predicates": [predicate]}))


def _schedule(recurring: Any) -> Schedule:
    trigger = recurring.trigger
    cron = trigger.cron_schedule.cron if trigger and trigger.cron_schedule else None
    config = recurring.runtime_config
    return Schedule(
        schedule_id=recurring.recurring_run_id,
        name=recurring.display_name or "",
        enabled="ENABLED" in (recurring.status, f"{recurring.mode}D"),
        cron=cron,
        created=recurring.created_at,
        parameters=(config.parameters if config else None) or {},
        error=recurring.error.message if recurring.error else None,
    )
