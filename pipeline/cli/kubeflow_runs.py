"""`mri kubeflow submit`, `schedule`, `runs` and `schedules`: work for a Kubeflow server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.kubeflow_server import Connect, asks_server
from pipeline.cli.options import AsJson, Parameters
from pipeline.exit_code import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()
runs_app = typer.Typer(no_args_is_help=True, help="See and stop runs on Kubeflow.")
schedules_app = typer.Typer(no_args_is_help=True, help="See and change schedules on Kubeflow.")
app.add_typer(runs_app, name="runs")
app.add_typer(schedules_app, name="schedules")

Compiled = Annotated[
    Path, typer.Argument(metavar="PIPELINE", help="What `mri kubeflow compile` wrote.")
]
Experiment = Annotated[
    str | None, typer.Option(help="What runs are counted with; default: the pipeline's name.")
]
ServiceAccount = Annotated[
    str | None, typer.Option(help="Kubernetes account of the tasks; default: Kubeflow's.")
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Its id.")]
ScheduleId = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its id or name.")]


@app.command(
    epilog="Examples:\n\n  mri kubeflow submit pipeline.yaml --param data=incoming --wait\n\n"
    "  MRI_KFP_HOST=https://kubeflow.example.org/pipeline MRI_KFP_NAMESPACE=radiology \\\n"
    "    mri kubeflow submit pipeline.yaml --param span=7 --json\n\n"
    "Exit codes: 0 begun, with --wait succeeded; 1 failed or stopped; 2 refused before sending."
)
@asks_server
def submit(
    console: "Console",
    connect: Connect,
    pipeline: Compiled,
    param: Parameters = None,
    run_name: Annotated[
        str | None, typer.Option(help="What people call it; default: the pipeline and the time.")
    ] = None,
    experiment: Experiment = None,
    service_account: ServiceAccount = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a compiled pipeline on Kubeflow."""
    from kubeflow import runs
    from kubeflow.arguments import given_values
    from kubeflow.compiled import read_compiled
    from kubeflow.console import print_json, print_run

    compiled = read_compiled(pipeline)
    values = given_values(compiled, param or ())
    server = connect()
    run = runs.submit(
        server,
        compiled,
        values,
        name=run_name,
        experiment=experiment,
        service_account=service_account,
    )
    if not as_json:
        console.print(f"run {run.run_id}: {run.page}", soft_wrap=True, markup=False)
    if wait:

        def say(seen: runs.KubeflowRun) -> None:
            if not as_json:
                console.print(seen.state, markup=False)

        try:
            run = runs.wait(server, run.run_id, say)
        except KeyboardInterrupt:
            console.print(f"The run goes on: mri kubeflow runs show {run.run_id}", markup=False)
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        if not as_json:
            print_run(console, run)
    if as_json:
        print_json(console, run)
    if wait and run.state != runs.SUCCEEDED:
        raise typer.Exit(ExitCode.FAILED)


@app.command(
    epilog="Examples:\n\n  mri kubeflow schedule pipeline.yaml --cron '0 3 * * *' --span latest\n\n"
    "  mri kubeflow schedule pipeline.yaml --cron '30 0 3 * * MON-FRI' --name workdays --disable"
    "\n\nTimes are those of the cluster, UTC if nobody changed that."
)
@asks_server
def schedule(
    console: "Console",
    connect: Connect,
    pipeline: Compiled,
    cron: Annotated[
        str,
        typer.Option(help="Minute, hour, day, month, day of the week; or with seconds before."),
    ],
    span: Annotated[
        str | None, typer.Option(help="`latest`: the newest when a run begins; or a number.")
    ] = None,
    param: Parameters = None,
    name: Annotated[str | None, typer.Option(help="Default: the pipeline's name.")] = None,
    experiment: Experiment = None,
    service_account: ServiceAccount = None,
    enable: Annotated[
        bool, typer.Option("--enable/--disable", help="Whether runs begin at once.")
    ] = True,
    catch_up: Annotated[
        bool,
        typer.Option(
            "--catch-up/--no-catch-up", help="Make up for each time that was missed, or the last."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a compiled pipeline on Kubeflow again and again."""
    from kubeflow import schedules
    from kubeflow.arguments import given_values, span_text
    from kubeflow.compiled import read_compiled
    from kubeflow.console import print_json, print_schedules
    from kubeflow.cron import six_fields

    compiled = read_compiled(pipeline)
    spans = [span_text(span)] if span else []
    values = given_values(compiled, [*(param or ()), *spans])
    expression = six_fields(cron)
    made = schedules.create(
        connect(),
        compiled,
        values,
        expression,
        name=name,
        experiment=experiment,
        service_account=service_account,
        enabled=enable,
        catch_up=catch_up,
    )
    if as_json:
        print_json(console, made)
        return
    if expression != cron:
        console.print(
            f"cron {cron!r} is {expression!r} for Kubeflow, which counts seconds.", markup=False
        )
    print_schedules(console, [made])


@runs_app.command(
    "list", epilog="Example:\n\n  mri kubeflow runs list --limit 50 --experiment brain_mri --json"
)
@asks_server
def runs_list(
    console: "Console",
    connect: Connect,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    experiment: Annotated[str | None, typer.Option(help="Only those of this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    from kubeflow import runs
    from kubeflow.console import print_json, print_runs

    found = runs.list_runs(connect(), limit, experiment)
    if as_json:
        print_json(console, found)
    else:
        print_runs(console, found)


@runs_app.command("show", epilog="Example:\n\n  mri kubeflow runs show RUN --json")
@asks_server
def runs_show(
    console: "Console",
    connect: Connect,
    run: RunId,
    as_json: AsJson = False,
) -> None:
    """Show a run: its state, its parameters, its tasks, what failed."""
    from kubeflow import runs
    from kubeflow.console import print_json, print_run

    found = runs.get_run(connect(), run)
    if as_json:
        print_json(console, found)
    else:
        print_run(console, found)


@runs_app.command("stop", epilog="Example:\n\n  mri kubeflow runs stop RUN")
@asks_server
def runs_stop(
    console: "Console",
    connect: Connect,
    run: RunId,
) -> None:
    """End a run; what its tasks have finished stays."""
    from kubeflow import runs

    stopped = runs.stop(connect(), run)
    console.print(f"{stopped.run_id} {stopped.state}", soft_wrap=True, markup=False)


@schedules_app.command("list", epilog="Example:\n\n  mri kubeflow schedules list --json")
@asks_server
def schedules_list(
    console: "Console",
    connect: Connect,
    as_json: AsJson = False,
) -> None:
    """List schedules, the newest first."""
    from kubeflow import schedules
    from kubeflow.console import print_json, print_schedules

    found = schedules.list_schedules(connect())
    if as_json:
        print_json(console, found)
    else:
        print_schedules(console, found)


@schedules_app.command("enable", epilog="Example:\n\n  mri kubeflow schedules enable nightly")
@asks_server
def schedules_enable(
    console: "Console",
    connect: Connect,
    schedule: ScheduleId,
) -> None:
    """Let a schedule's runs begin."""
    from kubeflow import schedules

    found = schedules.enable(connect(), schedule)
    console.print(f"{found.name} is enabled", soft_wrap=True, markup=False)


@schedules_app.command("disable", epilog="Example:\n\n  mri kubeflow schedules disable nightly")
@asks_server
def schedules_disable(
    console: "Console",
    connect: Connect,
    schedule: ScheduleId,
) -> None:
    """Let no more runs of a schedule begin; one that has begun goes on."""
    from kubeflow import schedules

    found = schedules.disable(connect(), schedule)
    console.print(f"{found.name} is disabled", soft_wrap=True, markup=False)


@schedules_app.command("delete", epilog="Example:\n\n  mri kubeflow schedules delete nightly")
@asks_server
def schedules_delete(
    console: "Console",
    connect: Connect,
    schedule: ScheduleId,
) -> None:
    """Remove a schedule; its runs stay."""
    from kubeflow import schedules

    found = schedules.delete(connect(), schedule)
    console.print(f"{found.name} is deleted", soft_wrap=True, markup=False)
