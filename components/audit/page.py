"""The audit as one HTML page that needs nothing but itself."""

from dataclasses import dataclass
from pathlib import Path

from components.audit.audit import Audit
from components.audit.nearest import Neighbours
from components.audit.ranking import Ranked
from components.ingest.config import IngestConfig
from components.ingest.inspection.montage import Album
from components.pages.names import shown
from components.pages.templates import render_page

# What is shown at most, so that the page stays a few MB whatever the folder holds.
_SUSPECTS = 150
_NEAREST = 3
_MATCHES = 3


@dataclass(frozen=True)
class Shown:
    """A suspect on the page.

    Attributes:
        row: Of the table.
        found: What speaks against its label.
        label: The name of the class that it has.
        suggested: The name of the class that it may be instead.
        matches: Indices of records that show the same picture under another label.
        nearest: Indices of records of the suggested class that are most like it.
    """

    row: int
    found: Ranked
    label: str
    suggested: str
    matches: tuple[int, ...]
    nearest: tuple[int, ...]


def render(audit: Audit, config: IngestConfig, table: str) -> str:
    """Draws the page.

    Args:
        audit: What was found.
        config: As the images were read.
        table: Name of the file that has all of it, row by row.

    Returns:
        HTML with its style and pictures in it; it loads nothing and runs nothing.
    """
    groups = audit.survey.grouping.groups[: len(audit.labels)]
    neighbours = Neighbours(audit.features, audit.labels, groups)
    suspects = []
    for row, one in enumerate(audit.files[:_SUSPECTS], start=1):
        if one.suggested is None:
            break
        suspects.append(
            Shown(
                row=row,
                found=one,
                label=shown(audit.classes[one.label]),
                suggested=shown(audit.classes[one.suggested]),
                matches=one.matches[:_MATCHES],
                nearest=neighbours.nearest(one.index, one.suggested, _NEAREST),
            )
        )
    rows = {
        audit.survey.records[one.index].name: row for row, one in enumerate(audit.files, start=1)
    }
    return render_page(
        Path(__file__).with_name("page.html"),
        audit=audit,
        folder=shown(audit.survey.folder.name),
        table=shown(table),
        suspects=suspects,
        rows=[rows[record.name] for record in audit.survey.records],
        album=Album(audit.survey.records, config),
    )
