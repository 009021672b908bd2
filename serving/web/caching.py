"""What others may keep of what the page gives out, and for how long."""

import hashlib
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from serving.web.examples import Examples
from serving.web.pages import BASE_CSS

_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_FIRST = "private, no-cache"
"""Kept, as whoever goes back finds the results that a page shows; asked for before it is used."""


def cache(app: Flask, examples: Examples) -> None:
    """Names what never changes by its content, and says of everything how long it may be kept.

    Args:
        app: The application, with all its addresses.
        examples: The synthetic images.
    """
    folder = Path(str(app.static_folder))
    contents: dict[tuple[str, ...], bytes]
    contents = {("static", file.name): file.read_bytes() for file in folder.iterdir()}
    contents[("pages.base_css",)] = BASE_CSS.read_bytes()
    contents |= {("pages.thumbnail", name): one.thumbnail for name, one in examples.images.items()}
    digests = {key: hashlib.sha256(content).hexdigest()[:16] for key, content in contents.items()}

    @app.url_defaults
    def _name_by_content(endpoint: str, values: dict[str, Any]) -> None:
        if digest := digests.get((endpoint, *values.values())):
            values["v"] = digest

    @app.after_request
    def _say(response: Response) -> Response:
        digest = digests.get((request.endpoint or "", *(request.view_args or {}).values()))
        if digest is not None and request.args.get("v") == digest:
            response.headers["Cache-Control"] = _FOR_EVER
        response.headers.setdefault("Cache-Control", _ASK_FIRST)
        return response
