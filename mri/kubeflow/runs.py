"""`mri kubeflow runs`: a run on a Kubeflow server, shown and stopped."""

from typing import Annotated

import typer
from rich.console import Console

from kubeflow import runs
from mri.kubeflow.console import print_run
from mri.kubeflow.options import ServerFlags
from mri.options import AsJson, spread

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Show and stop runs on Kubeflow."
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]


@app.command("show", epilog="Example:\n\n  mri kubeflow runs show RUN --json")
@spread
def runs_show(
    console: Console, run: RunId, as_json: AsJson = False, *, server: ServerFlags
) -> None:
    """Show a run: its state, its parameters, its tasks, and where to look for what failed."""
    print_run(console, runs.get_run(server.connect(), run), as_json)


@app.command("stop", epilog="Example:\n\n  mri kubeflow runs stop RUN")
@spread
def runs_stop(console: Console, run: RunId, *, server: ServerFlags) -> None:
    """Stop a run; what its tasks have finished is kept."""
    stopped = runs.stop(server.connect(), run)
    console.print(f"{stopped.run_id} {stopped.state}", soft_wrap=True, markup=False)
