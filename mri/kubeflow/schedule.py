"""`mri kubeflow schedule`: runs of a compiled pipeline that the server begins."""

import json
from typing import Annotated

import typer
from rich.console import Console

from kubeflow import runs
from kubeflow.cron import six_fields
from mri.kubeflow.options import Compiled, JobFlags, ServerFlags
from mri.options import AsJson, spread

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri kubeflow schedule pipeline.yaml --cron '0 3 * * *' --span latest\n\n"
    "  mri kubeflow schedule pipeline.yaml --cron '30 0 3 * * MON-FRI' --name workdays --disable"
    "\n\nTimes are in the cluster's time zone, which is UTC unless it was changed."
)
@spread
def schedule(
    console: Console,
    pipeline: Compiled,
    flags: JobFlags,
    server: ServerFlags,
    cron: Annotated[
        str,
        typer.Option(
            help="Minute, hour, day, month and weekday; with six fields, seconds come first."
        ),
    ],
    span: Annotated[
        str | None,
        typer.Option(help="`latest` for the newest span when a run starts, or a number."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Default: the pipeline's name.")] = None,
    enable: Annotated[
        bool, typer.Option("--enable/--disable", help="Whether the schedule is active immediately.")
    ] = True,
    catch_up: Annotated[
        bool,
        typer.Option(
            "--catch-up/--no-catch-up",
            help="Make up for every missed time, or for the last one only.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a compiled pipeline on Kubeflow on a schedule."""
    job = flags.job(pipeline, name, span)
    expression = six_fields(cron)
    made = runs.schedule(server.connect(), job, expression, enabled=enable, catch_up=catch_up)
    if as_json:
        found = {"schedule_id": made, "enabled": enable, "cron": expression}
        console.file.write(json.dumps({**found, "parameters": job.values}, indent=2) + "\n")
        return
    if expression != cron:
        console.print(
            f"cron {cron!r} is {expression!r} for Kubeflow, whose first field is seconds.",
            markup=False,
        )
    state = "enabled" if enable else "disabled"
    console.print(f"schedule {made} is {state}", soft_wrap=True, markup=False)
