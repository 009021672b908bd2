"""Renders pages from Jinja templates: HTML that needs nothing but itself, and plain text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.disclaimer import DISCLAIMER
from components.pages.names import shown
from components.pages.numbers import fraction, signed

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(template: Path, **values: Any) -> str:
    """Renders a page of HTML that loads nothing and runs nothing.

    Whatever is put in is escaped. Templates may extend `frame.html`, which all pages share,
    import from `macros.html`, and use the filters `count` (1,234), `percent` (12.3%), `fraction`
    (0.123), `signed` (+0.123), `number` (four digits) and `shown` (other people's names).
    `disclaimer` is there for every page to show.

    Args:
        template: The page's Jinja template.
        **values: What it shows.

    Returns:
        HTML.
    """
    environment = _environment(template.parent, Path(__file__).parent, escape=True)
    environment.globals["disclaimer"] = DISCLAIMER
    return environment.get_template(template.name).render(**values)


def text_environment(*folders: Path) -> Environment:
    """What plain text is rendered with: as a page, but nothing is escaped.

    A filter `cell` fits words into a table of Markdown.

    Args:
        *folders: Where templates are.

    Returns:
        Jinja's environment.
    """
    environment = _environment(*folders, escape=False)
    environment.filters["cell"] = lambda words: words.replace("|", "\\|").replace("\n", " ")
    return environment


@cache  # it keeps the templates that it has compiled
def _environment(*folders: Path, escape: bool) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=escape,  # noqa: S701 - plain text has nothing to escape
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not escape,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    environment.filters["count"] = "{:,}".format
    environment.filters["percent"] = "{:.1%}".format
    environment.filters["number"] = "{:.4g}".format
    environment.filters["fraction"] = fraction
    environment.filters["signed"] = signed
    environment.filters["shown"] = shown
    return environment
