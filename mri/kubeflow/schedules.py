"""`mri kubeflow schedules`: schedules on a Kubeflow server, listed and changed."""

from typing import Annotated

import typer
from rich.console import Console

from kubeflow import schedules
from mri.kubeflow.console import print_schedules, show
from mri.kubeflow.options import ServerFlags
from mri.options import AsJson, spread

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="See and change schedules on Kubeflow."
)

ScheduleId = Annotated[str, typer.Argument(metavar="SCHEDULE", help="The schedule's id or name.")]


@app.command("list", epilog="Example:\n\n  mri kubeflow schedules list --json")
@spread
def schedules_list(console: Console, as_json: AsJson = False, *, server: ServerFlags) -> None:
    """List schedules, the newest first."""
    show(console, schedules.list_schedules(server.connect()), print_schedules, as_json)


@app.command("enable", epilog="Example:\n\n  mri kubeflow schedules enable nightly")
@spread
def schedules_enable(console: Console, schedule: ScheduleId, *, server: ServerFlags) -> None:
    """Enable a schedule."""
    found = schedules.switch(server.connect(), schedule, on=True)
    console.print(f"{found.name} is enabled", soft_wrap=True, markup=False)


@app.command("disable", epilog="Example:\n\n  mri kubeflow schedules disable nightly")
@spread
def schedules_disable(console: Console, schedule: ScheduleId, *, server: ServerFlags) -> None:
    """Disable a schedule; a run that has begun continues."""
    found = schedules.switch(server.connect(), schedule, on=False)
    console.print(f"{found.name} is disabled", soft_wrap=True, markup=False)


@app.command("delete", epilog="Example:\n\n  mri kubeflow schedules delete nightly")
@spread
def schedules_delete(console: Console, schedule: ScheduleId, *, server: ServerFlags) -> None:
    """Remove a schedule; its runs are kept."""
    found = schedules.delete(server.connect(), schedule)
    console.print(f"{found.name} is deleted", soft_wrap=True, markup=False)
