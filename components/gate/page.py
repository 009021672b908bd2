"""The verdict as one HTML page that needs nothing but itself."""

import csv
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from components.gate.drift import Statistics
from components.gate.verdict import DataVerdict
from components.ingest.artifacts import REJECTED_FILE
from components.ingest.report import IngestReport
from components.pages.histograms import read_charts
from components.pages.templates import render_page

_REASONS = 20
_FILES = 20
_FIRST_ROW = 2
_PLACE = 5
"""The last parts of a path that stay the same wherever the work folder lies."""
_TRAIN, _BEFORE = "train", "before"


def render(
    verdict: DataVerdict,
    report: IngestReport,
    previous: IngestReport | None,
    statistics: Mapping[str, Statistics],
    before: Statistics | None,
    rejected: Path | None = None,
) -> str:
    """Draws the page.

    Args:
        verdict: What was decided.
        report: What ingest counted.
        previous: What it counted in the data before, if there were any.
        statistics: Of the data, by split.
        before: Of the training images of the data before.
        rejected: The folder of the files that ingest left out.

    Returns:
        HTML with its style and drawings in it; it loads nothing and runs nothing.
    """
    found = {finding.name for finding in verdict.findings}
    lines = {**statistics, **({_BEFORE: before} if before else {})}
    beside = read_charts({name: lines[name] for name in (_BEFORE, _TRAIN) if name in lines})
    return render_page(
        Path(__file__).with_name("page.html"),
        verdict=verdict,
        report=report,
        previous=previous,
        charts=read_charts(lines),
        drifted=[chart for chart in beside if f"drift:{chart.feature}" in found],
        reasons=list(report.reasons.items())[:_REASONS],
        more_reasons=max(len(report.reasons) - _REASONS, 0),
        rejected_path=_place(rejected) if rejected else "",
        rejected_files=list(_rejected(rejected)) if rejected else [],
    )


def _place(rejected: Path) -> str:
    """Where the table of rejected files is, as `artifacts/Ingest/rejected/ID/rejected.csv`."""
    return "/".join((rejected / REJECTED_FILE).parts[-_PLACE:])


def _rejected(folder: Path) -> Iterator[tuple[int, str]]:
    """The first rejected files: the row of each in the table, as a spreadsheet counts, and why.

    A file's name may name a patient, so it stays in the table.
    """
    file = folder / REJECTED_FILE
    if not file.is_file():
        return
    with file.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(islice(csv.DictReader(stream), _FILES), _FIRST_ROW):
            yield number, row["reason"]
