"""`mri kubeflow schedule`: runs of a compiled pipeline that the server begins."""

from typing import Annotated

import typer
from rich.console import Console

from kubeflow import schedules
from kubeflow.arguments import given_values, span_text
from kubeflow.compiled import read_compiled
from kubeflow.cron import six_fields
from mri.kubeflow.console import print_schedules, show
from mri.kubeflow.options import Compiled, Experiment, Parameters, ServerFlags, ServiceAccount
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
    cron: Annotated[
        str,
        typer.Option(
            help="Minute, hour, day, month and weekday; with six fields, seconds come first."
        ),
    ],
    span: Annotated[
        str | None,
        typer.Option(help="`latest` for the newest span when a run begins, or a number."),
    ] = None,
    param: Parameters = None,
    name: Annotated[str | None, typer.Option(help="Default: the pipeline's name.")] = None,
    experiment: Experiment = None,
    service_account: ServiceAccount = None,
    enable: Annotated[
        bool, typer.Option("--enable/--disable", help="Whether the schedule is active at once.")
    ] = True,
    catch_up: Annotated[
        bool,
        typer.Option(
            "--catch-up/--no-catch-up",
            help="Make up for every missed time, or for the last one only.",
        ),
    ] = False,
    as_json: AsJson = False,
    *,
    server: ServerFlags,
) -> None:
    """Run a compiled pipeline on Kubeflow on a schedule."""
    compiled = read_compiled(pipeline)
    spans = [span_text(span)] if span else []
    values = given_values(compiled, [*(param or ()), *spans])
    expression = six_fields(cron)
    made = schedules.create(
        server.connect(),
        compiled,
        values,
        expression,
        name=name,
        experiment=experiment,
        service_account=service_account,
        enabled=enable,
        catch_up=catch_up,
    )
    if expression != cron and not as_json:
        console.print(
            f"cron {cron!r} is {expression!r} for Kubeflow, whose first field is seconds.",
            markup=False,
        )
    show(console, made, lambda console, one: print_schedules(console, [one]), as_json)
