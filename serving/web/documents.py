"""What is known of the version that answered: its model card and its evaluation report."""

import re
from pathlib import Path

from flask import Blueprint, Response, abort, make_response, render_template, url_for

from components.evaluate.report.card import CARD_JSON, ModelCard
from components.servable import EXTRAS, REPORT_FILE
from serving.web.config import WebConfig
from serving.web.finding import Link
from serving.web.security import talisman
from serving.web.state import state

documents = Blueprint("documents", __name__)
_VERSION = re.compile(r"[0-9]{1,20}")
_REPORT_POLICY = {
    # The report brings its own style and its pictures; it runs nothing, and is none of this site's.
    "default-src": "'none'",
    "style-src": "'unsafe-inline'",
    "img-src": "data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "sandbox": "",
}


def links(config: WebConfig, version: int | None) -> tuple[Link, ...]:
    """The documents of a version: its own where its folder is known, else the card of the settings.

    Args:
        config: The settings.
        version: What answered, if it is known.

    Returns:
        The card, then the report, as far as they are there.
    """
    found = []
    if version is not None and (folder := _extras(config, str(version))):
        for title, file, endpoint in (
            ("Model card", CARD_JSON, "documents.card"),
            ("Evaluation report", REPORT_FILE, "documents.report"),
        ):
            if (folder / file).is_file():
                found.append(Link(title, url_for(endpoint, version=version)))
    if not found and config.model_card:
        found.append(Link("Model card", config.model_card))
    return tuple(found)


@documents.get("/models/<version>/card")
def card(version: str) -> str:
    """A version's model card."""
    folder = _extras(state().config, version)
    try:
        found = ModelCard.read(folder) if folder else None
    except (OSError, ValueError):
        found = None
    if folder is None or found is None:
        abort(404)
    figures = [(name, figure.words, figure.images) for name, figure in found.figures.items()]
    lineage = found.lineage.model_dump(exclude={"parameters", "environment"})
    report = url_for("documents.report", version=version)
    return render_template(
        "card.html",
        card=found,
        figures=figures,
        lineage=lineage,
        report=report if (folder / REPORT_FILE).is_file() else None,
    )


@documents.get("/models/<version>/report")
@talisman(content_security_policy=_REPORT_POLICY)
def report(version: str) -> Response:
    """The page that a version was judged by, as it was written."""
    folder = _extras(state().config, version)
    try:
        page = (folder / REPORT_FILE).read_bytes() if folder else None
    except OSError:
        page = None
    if page is None:
        abort(404)
    response = make_response(page)
    response.content_type = "text/html; charset=utf-8"
    response.headers["Cache-Control"] = "no-store"
    return response


def _extras(config: WebConfig, version: str) -> Path | None:
    """The folder of a version's documents; what is no whole number names no folder."""
    if config.models is None or not _VERSION.fullmatch(version):
        return None
    return config.models / version / EXTRAS
