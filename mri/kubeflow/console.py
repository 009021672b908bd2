"""Runs and schedules on the terminal, or as JSON for a program."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubeflow.runs import KubeflowRun
from kubeflow.schedules import Schedule


def show(
    console: Console, found: Any, printed: Callable[[Console, Any], None], as_json: bool
) -> None:
    """Prints what was found.

    Args:
        console: Where to.
        found: A dataclass, or a list of them.
        printed: Prints it for people.
        as_json: Whether to print it as JSON instead.
    """
    if not as_json:
        printed(console, found)
        return
    shown = [asdict(one) for one in found] if isinstance(found, list) else asdict(found)
    console.file.write(json.dumps(shown, indent=2, default=datetime.isoformat) + "\n")


def print_runs(console: Console, runs: Sequence[KubeflowRun]) -> None:
    """Prints a table of runs."""
    rows = [(run.run_id, run.name, run.state, _text(run.created), _lasted(run)) for run in runs]
    headings = ("run", "name", "state", "created (UTC)", "lasted")
    console.print(_table(headings, rows) if rows else "There are no runs.")


def print_run(console: Console, run: KubeflowRun) -> None:
    """Prints a run and its tasks."""
    parameters = [f"{name}={value}" for name, value in sorted(run.parameters.items())]
    lines = [
        ("run", run.run_id),
        ("name", run.name),
        ("state", run.state),
        ("created", f"{_text(run.created)} UTC"),
        ("ended", f"{_text(run.ended)} UTC, after {_lasted(run)}" if run.ended else None),
        *(("", parameter) for parameter in parameters),
        ("error", run.error),
        ("page", run.page),
    ]
    for title, words in lines:
        if words is not None:
            console.print(f"{title:<8} {words}", soft_wrap=True, markup=False)
    if run.tasks:
        rows = [(task.name, task.state, _text(task.began), task.error or "") for task in run.tasks]
        console.print(_table(("task", "state", "began (UTC)", "error"), rows))


def print_schedules(console: Console, schedules: Sequence[Schedule]) -> None:
    """Prints a table of schedules."""
    rows = [
        (
            one.schedule_id,
            one.name,
            "enabled" if one.enabled else "disabled",
            one.cron or "(a period)",
            ", ".join(f"{name}={value}" for name, value in sorted(one.parameters.items())),
            one.error or "",
        )
        for one in schedules
    ]
    headings = ("schedule", "name", "state", "cron", "parameters", "error")
    console.print(_table(headings, rows) if rows else "There are no schedules.")


def _table(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table()
    for index, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*map(Text, row))  # what people and servers write is no markup
    return table


def _text(value: Any) -> str:
    """A time in UTC to the second; nothing for no time."""
    if isinstance(value, datetime):
        return f"{value.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


def _lasted(run: KubeflowRun) -> str:
    if run.created is None or run.ended is None:
        return ""
    return str(run.ended.replace(microsecond=0) - run.created.replace(microsecond=0))
