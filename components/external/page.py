"""The report on an external validation as one HTML page that needs nothing but itself."""

from pathlib import Path

from components.evaluate.report.figures import TITLES
from components.evaluate.report.page import worst_first
from components.external.report import ExternalReport
from components.pages.templates import render_page


def render(report: ExternalReport) -> str:
    """Writes the page.

    Args:
        report: The report.

    Returns:
        HTML with its style in it; it loads nothing and runs nothing.
    """
    return render_page(
        Path(__file__).with_name("page.html"),
        report=report,
        titles=TITLES,
        slices=worst_first(report.figures.slices),
    )
