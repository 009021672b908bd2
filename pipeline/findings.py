"""What the data gate found, as a table in the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.gate.verdict import DataVerdict
from pipeline.tables import print_table

_STYLES = {"stop": "bold red", "warn": "yellow", "pass": "dim"}


def print_findings(verdict: DataVerdict, console: Console) -> None:
    """Prints a row a finding; nothing where there is none.

    Args:
        verdict: The gate's verdict.
        console: Where to.
    """
    if not verdict.findings:
        return
    table = Table(show_edge=False, pad_edge=False)
    for column in ("severity", "finding", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in verdict.findings:
        severity = "accepted" if finding.accepted else finding.severity
        # File and class names are other people's words: never read as markup.
        table.add_row(
            Text(severity, style=_STYLES[finding.severity]),
            Text(finding.name),
            Text(finding.found),
            Text(finding.action),
        )
    print_table(console, table)
