"""Renders HTML pages that need nothing but themselves: they load nothing and run nothing."""

from pathlib import Path
from typing import Any

from components.disclaimer import DISCLAIMER
from components.pages.names import shown


def render_page(template: Path, **values: Any) -> str:
    """Renders a page.

    Whatever is put in is escaped. Templates may include `base.css`, the look that all pages share,
    and use the filters `count` (1,234), `percent` (12.3%), `number` (four digits) and `shown`
    (other people's names). `disclaimer` is there for every page to show.

    Args:
        template: The page's Jinja template.
        **values: What it shows.

    Returns:
        HTML.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = "{:,}".format
    environment.filters["percent"] = "{:.1%}".format
    environment.filters["number"] = "{:.4g}".format
    environment.filters["shown"] = shown
    return environment.get_template(template.name).render(disclaimer=DISCLAIMER, **values)
