"""A run on the terminal, or as JSON for a program."""

from datetime import datetime, timezone

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubeflow.runs import SUCCEEDED, KubeflowRun


def print_run(console: Console, run: KubeflowRun, as_json: bool) -> None:
    """Prints a run and a row for each of its tasks.

    Args:
        console: Where to.
        run: The run.
        as_json: Whether to print all of it as JSON.
    """
    if as_json:
        console.file.write(run.model_dump_json(indent=2) + "\n")
        return
    stopped = " (it was told to stop)" if run.stopped else ""
    lines = [
        ("run", run.run_id),
        ("name", run.name),
        ("state", run.state + stopped),
        ("created", f"{_text(run.created)} UTC"),
        ("ended", f"{_text(run.ended)} UTC, after {_lasted(run.created, run.ended)}"),
        *(("", f"{name}={value}") for name, value in sorted(run.parameters.items())),
        *([("error", run.error)] if run.error else []),
        ("page", run.page),
        *([("pods", run.pods)] if run.state != SUCCEEDED else []),
    ]
    for title, words in lines:
        if title != "ended" or run.ended:
            console.print(f"{title:<8} {words}", soft_wrap=True, markup=False)
    table = Table("task", "state", "tries", "began (UTC)", "lasted")
    for one in run.tasks:
        cells = (str(one.tries or ""), _text(one.began), _lasted(one.began, one.ended))
        table.add_row(*map(Text, (one.name, one.state, *cells)))  # names are no markup
    if run.tasks:
        console.print(table)
    for one in run.tasks:
        if one.look:
            console.print(f"{one.name} {one.state}: {one.look}", soft_wrap=True, markup=False)


def _text(time: datetime | None) -> str:
    return f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}" if time else ""


def _lasted(began: datetime | None, ended: datetime | None) -> str:
    if began is None or ended is None:
        return ""
    return str(ended.replace(microsecond=0) - began.replace(microsecond=0))
