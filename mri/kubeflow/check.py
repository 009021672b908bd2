"""`mri kubeflow check`: what is missing on a cluster before a run."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from mri.kubeflow.options import Compiled, ServerFlags, ServiceAccount
from mri.options import spread
from pipeline.exit_code import ExitCode
from pipeline.tables import print_table

app = typer.Typer(add_completion=False)

_MARKS = {"ok": "[green]ok[/]", "missing": "[red]--[/]", "unknown": "[yellow]??[/]"}


@app.command(
    epilog="Examples:\n\n  mri kubeflow check pipeline.yaml\n\n"
    "  mri kubeflow check pipeline.yaml --context staging --inside\n\n"
    "ok: fine; --: would make a run fail; ??: could not be checked. Exit codes: 0 nothing is "
    "missing; 1 something is missing, or neither server could be reached."
)
@spread
def check(
    console: Console,
    pipeline: Compiled,
    server: ServerFlags,
    service_account: ServiceAccount = None,
    context: Annotated[
        str | None, typer.Option(help="kubectl context of the cluster; default: the current one.")
    ] = None,
    inside: Annotated[
        bool, typer.Option("--inside", help="Start a pod that looks into the volume.")
    ] = False,
) -> None:
    """Check what a cluster lacks before it runs a compiled pipeline."""
    from kubeflow.check import check as look
    from kubeflow.compiled import read_compiled

    findings = look(
        read_compiled(pipeline),
        server.connect,
        namespace=server.namespace,
        service_account=service_account,
        context=context,
        inside=inside,
    )
    table = Table(Column(), Column(), Column(overflow="fold"), show_header=False, box=None)
    states = {}
    for one in findings:
        table.add_row(_MARKS[one.state], Text(one.subject), Text(one.sentence))
        states[one.subject] = one.state
    print_table(console, table)
    if "missing" in states.values() or {"Kubeflow", "Kubernetes"} <= states.keys():
        raise typer.Exit(ExitCode.FAILED)
