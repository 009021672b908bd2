"""`mri kubeflow schedule`: runs of a compiled pipeline that the server begins."""

from typing import Annotated

import typer
from rich.console import Console

from kubeflow import runs
from kubeflow.cron import six_fields
from mri.kubeflow.options import Compiled, JobFlags, ServerFlags
from mri.options import spread

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri kubeflow schedule pipeline.yaml --cron '0 3 * * *' --span latest\n\n"
    "  mri kubeflow schedule pipeline.yaml --cron '30 0 3 * * MON-FRI'"
    "\n\nTimes are in the cluster's time zone, which is UTC unless it was changed."
)
@spread
def schedule(
    console: Console,
    pipeline: Compiled,
    flags: JobFlags,
    server: ServerFlags,
    cron: Annotated[
        str, typer.Option(help="Minute to weekday; with six fields, seconds come first.")
    ],
    catch_up: Annotated[
        bool, typer.Option(help="Make up for every missed time, or for the last one only.")
    ] = False,
) -> None:
    """Run a compiled pipeline on Kubeflow on a schedule."""
    job, expression = flags.job(pipeline), six_fields(cron)
    made = runs.schedule(server.connect(), job, expression, catch_up=catch_up)
    if expression != cron:
        words = f"cron {cron!r} is {expression!r} for Kubeflow, whose first field is seconds."
        console.print(words, markup=False)
    console.print(f"schedule {made} is enabled", soft_wrap=True, markup=False)
