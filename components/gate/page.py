"""The verdict as one HTML page that needs nothing but itself."""

from collections.abc import Mapping
from pathlib import Path

from components.disclaimer import DISCLAIMER
from components.gate.charts import HEIGHT, WIDTH, draw_charts
from components.gate.drift import Statistics
from components.gate.verdict import Verdict
from components.ingest.inspection.names import shown
from components.ingest.report import IngestReport

_REASONS = 20
_TRAIN, _BEFORE = "train", "before"


def render(
    verdict: Verdict,
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
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = "{:,}".format
    environment.filters["percent"] = "{:.1%}".format
    environment.filters["number"] = "{:.4g}".format
    environment.filters["shown"] = shown
    found = {finding.name for finding in verdict.findings}
    lines = {**statistics, **({_BEFORE: before} if before else {})}
    beside = draw_charts({name: lines[name] for name in (_BEFORE, _TRAIN) if name in lines})
    return environment.get_template("page.html").render(
        verdict=verdict,
        report=report,
        previous=previous,
        disclaimer=DISCLAIMER,
        width=WIDTH,
        height=HEIGHT,
        charts=draw_charts(lines),
        drifted=[chart for chart in beside if f"drift:{chart.feature}" in found],
        reasons=list(report.reasons.items())[:_REASONS],
        more_reasons=max(len(report.reasons) - _REASONS, 0),
    )
