"""The audit as a table to edit."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import UsageError
from components.spreadsheet import harmless, harmless_path

if TYPE_CHECKING:
    from components.audit.audit import Audit

COLUMNS = ("path", "label", "suggested", "score", "reason", "decision")


def table(audit: Audit) -> str:
    """Writes a row for each file, the most suspicious label first.

    Args:
        audit: What was found.

    Returns:
        CSV with the columns `COLUMNS`; `decision` is left for a reader to fill. What is not Unicode
        is escaped.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in audit.files:
        suggested = "" if one.suggested is None else audit.classes[one.suggested]
        writer.writerow(
            (
                harmless_path(audit.survey.records[one.index].name),
                harmless(audit.classes[one.label]),
                harmless(suggested),
                f"{one.score:.4f}",
                one.reason,
                "",
            )
        )
    return stream.getvalue().encode("utf-8", "backslashreplace").decode()


def demand_replaceable(path: Path) -> None:
    """Refuses to replace a table in which somebody has decided, and any other file.

    Args:
        path: Where a table is to be written.

    Raises:
        UsageError: There is such a file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
            untouched = tuple(header) == COLUMNS and not any(any(row[-1:]) for row in rows)
    except FileNotFoundError:
        return
    except (OSError, ValueError, csv.Error):
        untouched = False
    if not untouched:
        raise UsageError(
            f"{path} holds decisions, or is not the table of an audit: move it away, or name "
            "another page with --html."
        )
