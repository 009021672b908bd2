"""SVG that takes its colours, its type and its size from the page that it stands on."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

INK, QUIET, LINE, PAPER = "#1d2327", "#5d6970", "#e1e5e7", "#fefefd"
ACCENT, WARN, GOOD, BAD = "#0b6e99", "#8a6100", "#2c7a4b", "#b3381d"
_TYPE = "Segoe UI, Roboto, Helvetica Neue, Helvetica, Liberation Sans, Arial, sans-serif"
"""The page's own, without quotation marks, as it stands in attributes."""
_VARIABLES = {
    INK: "ink",
    QUIET: "quiet",
    LINE: "line",
    PAPER: "card",
    ACCENT: "accent",
    WARN: "warn",
    GOOD: "good",
    BAD: "bad",
}
"""Colours that stand for the page's own, which differ between light and dark."""


@contextmanager
def canvas(
    name: str, width: float, height: float, *, bare: bool = False
) -> Iterator[tuple[Any, Callable[[], str]]]:
    """Opens an empty drawing.

    Args:
        name: What sets its ids apart from those of other drawings on the page.
        width: Inches.
        height: Inches.
        bare: Whether it has no axes and is stretched to the room that the page gives it.

    Yields:
        Axes to draw on, and a function that gives the SVG when the drawing is done.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "svg.id": f"figure-{name}",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": QUIET,
        "axes.edgecolor": QUIET,
        "axes.linewidth": 0.8,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": LINE,
        "grid.linewidth": 0.7,
        "axes.axisbelow": True,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "figure.facecolor": "none",
        "text.parse_math": False,
    }
    text = ""
    with mpl.rc_context(style):
        figure = Figure((width, height), frameon=not bare, layout=None if bare else "constrained")
        if bare:
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set_axis_off()
        else:
            axes = figure.subplots()
        yield axes, lambda: text
        stream = io.StringIO()
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", metadata=metadata)
        text = _adapt(stream.getvalue(), name)
        if bare:
            text = text.replace("<svg", '<svg preserveAspectRatio="none"', 1)


def _adapt(svg: str, name: str) -> str:
    """Drops the file's head, and lets the page decide on colours, type and size."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"""'?DejaVu Sans'?""", _TYPE, svg)
    # Names such as `figure_1` and `axes_1` would stand on the page once for each drawing.
    svg = re.sub(r' id="((?:figure|axes|patch|line2d|text|matplotlib|xtick|ytick|legend|'
                 r'QuadMesh|PathCollection|LineCollection)[^"]*)"', "", svg)  # fmt: skip
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\1{name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = re.sub(colour, f"var(--{variable})", svg, flags=re.IGNORECASE)
    return svg
