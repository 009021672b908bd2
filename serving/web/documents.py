"""What is known of the version that answered: its model card and its evaluation report."""

import re
from pathlib import Path

from flask import Blueprint, Response, abort, render_template, send_file, url_for

from components.evaluate.report.card import CARD_JSON, ModelCard
from components.servable import EXTRAS, REPORT_FILE
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
_DOCUMENTS = (
    ("Model card", CARD_JSON, "documents.card"),
    ("Evaluation report", REPORT_FILE, "documents.report"),
)


def links(version: int | None) -> list[tuple[str, str]]:
    """The documents of a version: its own where its folder is known, else the card of the settings.

    Args:
        version: What answered, if it is known.

    Returns:
        Titles and addresses of the card and the report, as far as they are there.
    """
    config = state().config
    found = []
    if version is not None and config.models:
        folder = config.models / str(version) / EXTRAS
        found = [
            (title, url_for(endpoint, version=version))
            for title, file, endpoint in _DOCUMENTS
            if (folder / file).is_file()
        ]
    if not found and config.model_card:
        found = [("Model card", config.model_card)]
    return found


@documents.get("/models/<version>/card")
def card(version: str) -> str:
    """A version's model card."""
    folder = _extras(version)
    try:
        found = ModelCard.read(folder)
    except (OSError, ValueError):
        abort(404)
    return render_template(
        "card.html",
        card=found,
        lineage=found.lineage.model_dump(exclude={"parameters", "environment"}),
        version=version if (folder / REPORT_FILE).is_file() else None,
    )


@documents.get("/models/<version>/report")
@talisman(content_security_policy=_REPORT_POLICY)
def report(version: str) -> Response:
    """The page that a version was judged by, as it was written."""
    try:
        # The file, not its bytes: it may be large, and whoever reads it slow.
        page = send_file(_extras(version) / REPORT_FILE, "text/html")
    except OSError:
        abort(404)
    page.headers["Cache-Control"] = "no-store"
    return page


def _extras(version: str) -> Path:
    """The folder of a version's documents; what is not a whole number names no folder."""
    models = state().config.models
    if models is None or not _VERSION.fullmatch(version):
        abort(404)
    return models / version / EXTRAS
