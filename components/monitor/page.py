"""The report as one HTML page that needs nothing but itself."""

from pathlib import Path

from components.gate.drift import Statistics
from components.monitor.report import LABEL, MonitorReport
from components.pages.histograms import read_charts
from components.pages.templates import render_page


def render(report: MonitorReport, window: Statistics, training: Statistics) -> str:
    """Draws the page.

    Args:
        report: The report.
        window: Statistics of the window.
        training: Of the training images.

    Returns:
        HTML with its style and drawings in it; it loads nothing and runs nothing.
    """
    compared = {one.feature for one in report.distances}
    charts = read_charts({"training": training, "window": window})
    return render_page(
        Path(__file__).with_name("page.html"),
        report=report,
        label=LABEL,
        charts=[chart for chart in charts if chart.feature in compared],
    )
