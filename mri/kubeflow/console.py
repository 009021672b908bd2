"""Runs and schedules on the terminal, or as JSON for a program."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubeflow.runs import KubeflowRun
from kubeflow.schedules import Schedule


def print_json(console: Console, value: Any) -> None:
    """Prints dataclasses, or lists of them, as JSON."""
    shown = [asdict(one) for one in value] if isinstance(value, list) else asdict(value)
    console.file.write(json.dumps(shown, indent=2, default=datetime.isoformat) + "\n")


def print_runs(console: Console, runs: Sequence[KubeflowRun]) -> None:
    """Prints a table of runs."""
    rows = [(run.run_id, run.name, run.state, _text(run.created), _lasted(run)) for run in runs]
    headings = ("run", "name", "state", "created (UTC)", "lasted")
    console.print(_table(headings, rows) if rows else "There is no run.")


def print_run(console: Console, run: KubeflowRun) -> None:
    """Prints a run and its tasks."""
    console.print(f"run      {run.run_id}", soft_wrap=True, markup=False)
    console.print(f"name     {run.name}", soft_wrap=True, markup=False)
    console.print(f"state    {run.state}", markup=False)
    console.print(f"created  {_text(run.created)} UTC")
    if run.ended:
        console.print(f"ended    {_text(run.ended)} UTC, after {_lasted(run)}")
    for name, value in sorted(run.parameters.items()):
        console.print(f"         {name}={value}", soft_wrap=True, markup=False)
    if run.error:
        console.print(f"error    {run.error}", soft_wrap=True, markup=False)
    console.print(f"page     {run.page}", soft_wrap=True, markup=False)
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
    console.print(_table(headings, rows) if rows else "There is no schedule.")


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
