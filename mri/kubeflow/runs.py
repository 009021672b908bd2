"""`mri kubeflow runs`: a run on a Kubeflow server, shown and stopped."""

from datetime import datetime, timezone
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubeflow import runs
from mri.kubeflow.options import ServerFlags
from mri.options import AsJson, spread
from pipeline.tables import print_table

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Show and stop runs on Kubeflow."
)

_Id = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]


@app.command(epilog="Example:\n\n  mri kubeflow runs show RUN --json")
@spread
def show(console: Console, run: _Id, as_json: AsJson = False, *, server: ServerFlags) -> None:
    """Show a run: its state, its parameters, its tasks, and where to look for what failed."""
    print_run(console, runs.get_run(server.connect(), run), as_json)


@app.command(epilog="Example:\n\n  mri kubeflow runs stop RUN")
@spread
def stop(console: Console, run: _Id, *, server: ServerFlags) -> None:
    """Stop a run; what its tasks have finished is kept."""
    stopped = runs.stop(server.connect(), run)
    console.print(f"{stopped.run_id} {stopped.state}", soft_wrap=True, markup=False)


def print_run(console: Console, run: runs.KubeflowRun, as_json: bool) -> None:
    """Prints a run and a row for each of its tasks, or all of it as JSON."""
    if as_json:
        console.file.write(run.model_dump_json(indent=2) + "\n")
        return
    lasted = _lasted(run.created_at, run.finished_at)
    lines = {
        "run": run.run_id,
        "name": run.display_name,
        "state": run.state + (" (it was told to stop)" if run.stopped else ""),
        "created": f"{_text(run.created_at)} UTC",
        "ended": lasted and f"{_text(run.finished_at)} UTC, after {lasted}",
        "given": " ".join(f"{name}={value}" for name, value in sorted(run.parameters.items())),
        "error": run.error,
        "page": run.page,
        "pods": run.pods if run.state != runs.SUCCEEDED else None,
    }
    for title, words in lines.items():
        if words:
            console.print(f"{title:<8} {words}", soft_wrap=True, markup=False)
    table = Table("task", "state", "tries", "began (UTC)", "lasted")
    for one in run.tasks:
        cells = (str(one.tries or ""), _text(one.began), _lasted(one.began, one.ended))
        table.add_row(*map(Text, (one.name, one.state, *cells)))  # names are no markup
    if run.tasks:
        print_table(console, table)
    for one in run.tasks:
        if one.look:
            console.print(f"{one.name} {one.state}: {one.look}", soft_wrap=True, markup=False)


def _text(time: datetime | None) -> str:
    return f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}" if time else ""


def _lasted(began: datetime | None, ended: datetime | None) -> str:
    return str(ended - began).partition(".")[0] if began and ended else ""
