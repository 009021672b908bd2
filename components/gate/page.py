"""The verdict as one HTML page that needs nothing but itself."""

from collections.abc import Mapping
from pathlib import Path

from components.gate.drift import Statistics
from components.gate.verdict import DataVerdict
from components.ingest.report import IngestReport
from components.pages.histograms import read_charts
from components.pages.templates import render_page

_REASONS = 20
_TRAIN, _BEFORE = "train", "before"


def render(
    verdict: DataVerdict,
    report: IngestReport,
    previous: IngestReport | None,
    statistics: Mapping[str, Statistics],
    before: Statistics | None,
) -> str:
    """Draws the page.

    Args:
        verdict: What was decided.
        report: What ingest counted.
        previous: What it counted in the data before, if there were any.
        statistics: Of the data, by split.
        before: Of the training images of the data before.

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
    )
