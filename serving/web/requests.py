"""A line for each request, with a number to find it by and nothing of who sent what."""

import logging
import secrets
import time

from flask import Flask, Response, abort, g, request

from serving.web.metrics import PageMetrics

_LOG = logging.getLogger(__name__)

REFUSED = "serving.web.refused"
"""In the environment of a request: the status that the web server refuses it with, or None."""


def follow(app: Flask, metrics: PageMetrics) -> None:
    """Numbers, counts and logs an application's requests."""

    @app.before_request
    def _begin() -> None:
        g.request_id = secrets.token_hex(8)
        g.began = time.perf_counter()
        if refused := request.environ.get(REFUSED):
            abort(refused)

    @app.after_request
    def _end(response: Response) -> Response:
        seconds = time.perf_counter() - g.get("began", time.perf_counter())
        # The endpoint, not the path: anybody can put a name into a path.
        endpoint = request.endpoint or "-"
        number = g.get("request_id", "-")
        response.headers["X-Request-ID"] = number
        metrics.request(endpoint, response.status_code, seconds)
        _LOG.info(
            "request %s: %s %d %.0f ms", number, endpoint, response.status_code, 1e3 * seconds
        )
        return response
