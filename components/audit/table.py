"""The audit as a table to edit."""

import csv
import io

from components.audit.audit import Audit
from components.spreadsheet import harmless, harmless_path

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
