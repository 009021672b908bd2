"""`mri kubeflow schedules`: schedules on a Kubeflow server, listed and changed."""

from typing import Annotated

import typer
from rich.console import Console

from kubeflow import schedules
from mri.kubeflow.console import print_json, print_schedules
from mri.kubeflow.options import ServerFlags
from mri.options import AsJson, spread

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="See and change schedules on Kubeflow."
)

ScheduleId = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its id or name.")]


@app.command("list", epilog="Example:\n\n  mri kubeflow schedules list --json")
@spread
def schedules_list(
    console: Console,
    as_json: AsJson = False,
    *,
    server: ServerFlags,
) -> None:
    """List schedules, the newest first."""
    found = schedules.list_schedules(server.connect())
    if as_json:
        print_json(console, found)
    else:
        print_schedules(console, found)


@app.command("enable", epilog="Example:\n\n  mri kubeflow schedules enable nightly")
@spread
def schedules_enable(
    console: Console,
    schedule: ScheduleId,
    *,
    server: ServerFlags,
) -> None:
    """Let a schedule's runs begin."""
    found = schedules.enable(server.connect(), schedule)
    console.print(f"{found.name} is enabled", soft_wrap=True, markup=False)


@app.command("disable", epilog="Example:\n\n  mri kubeflow schedules disable nightly")
@spread
def schedules_disable(
    console: Console,
    schedule: ScheduleId,
    *,
    server: ServerFlags,
) -> None:
    """Let no more runs of a schedule begin; one that has begun goes on."""
    found = schedules.disable(server.connect(), schedule)
    console.print(f"{found.name} is disabled", soft_wrap=True, markup=False)


@app.command("delete", epilog="Example:\n\n  mri kubeflow schedules delete nightly")
@spread
def schedules_delete(
    console: Console,
    schedule: ScheduleId,
    *,
    server: ServerFlags,
) -> None:
    """Remove a schedule; its runs stay."""
    found = schedules.delete(server.connect(), schedule)
    console.print(f"{found.name} is deleted", soft_wrap=True, markup=False)
