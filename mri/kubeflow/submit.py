"""`mri kubeflow submit`: a run of a compiled pipeline, begun and perhaps waited for."""

from typing import Annotated

import typer
from rich.console import Console

from kubeflow import runs
from mri.kubeflow.options import Compiled, JobFlags, ServerFlags
from mri.kubeflow.runs import print_run
from mri.options import AsJson, spread
from pipeline.exit_code import ExitCode

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri kubeflow submit pipeline.yaml --param data=incoming --wait\n\n"
    "  mri kubeflow submit pipeline.yaml --param span=7 --namespace radiology\n\n"
    "Exit codes: 0 the run began, or with --wait succeeded; 1 it failed or was stopped; 2 refused "
    "before anything was sent."
)
@spread
def submit(
    console: Console,
    pipeline: Compiled,
    flags: JobFlags,
    server: ServerFlags,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a compiled pipeline on Kubeflow."""
    job = flags.job(pipeline)
    connected = server.connect()
    run = runs.submit(connected, job)
    console.quiet = as_json
    console.print(f"run {run.run_id}: {run.page}", soft_wrap=True, markup=False)
    if wait:
        try:
            run = runs.wait(connected, run.run_id, lambda seen: console.print(seen.state))
        except KeyboardInterrupt:
            console.quiet = False
            console.print(f"The run continues: mri kubeflow runs show {run.run_id}", markup=False)
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    if wait or as_json:
        print_run(console, run, as_json)
    if wait and run.state != runs.SUCCEEDED:
        raise typer.Exit(ExitCode.FAILED)
