"""What goes wrong, for people as a page and for programs as RFC 9457 problem details."""

import logging
from http import HTTPStatus
from traceback import extract_tb

from flask import Flask, Response, g, json, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from serving.client import ServingError

_LOG = logging.getLogger(__name__)
_SENTENCES = {
    400: "The request cannot be understood.",
    404: "This page does not exist.",
    405: "This address does not accept that kind of request.",
    411: "Say how many bytes follow: send the image with a Content-Length.",
    413: "That is more than can be sent at once: send fewer or smaller images.",
    431: "The request's headers are longer than the limit.",
    429: "Too many images in a short time: wait a minute and try again.",
    500: "Something went wrong here. It was logged; please try again.",
    501: "Send the image as it is, with a Content-Length.",
    503: "Too many images are being sent at the same time. Try again shortly.",
}
_OF_SERVER = {
    "UNAVAILABLE": (503, "The model server cannot be reached. It may be restarting: try again."),
    "NOT_FOUND": (503, "The model server has no model at the moment. Try again a little later."),
    "FAILED_PRECONDITION": (503, "The model is not ready yet. Try again a little later."),
    "RESOURCE_EXHAUSTED": (503, "The model server is busy. Try again a little later."),
    "DEADLINE_EXCEEDED": (504, "The model server took too long to answer. Try again."),
    "INVALID_ARGUMENT": (422, "The model could not decode this image."),
}
_OTHERWISE = (502, "The model server gave an answer that cannot be used.")
_BUSY_FOR = "5"
"""Seconds after which what is busy or restarting may be asked again."""


class ProblemError(Exception):
    """What a person is told, and the HTTP status that goes with it."""

    def __init__(self, status: int, detail: str) -> None:
        """Says what went wrong.

        Args:
            status: The HTTP status.
            detail: One or two sentences, safe to show: no name, no path, nothing of a file.
        """
        super().__init__(detail)
        self.status = status
        self.detail = detail


def of_server(error: ServingError) -> ProblemError:
    """What a person is told of a model server that gave no result; its own words are not shown."""
    _LOG.warning("request %s: the model server answered %s", g.get("request_id", "-"), error.code)
    return ProblemError(*_OF_SERVER.get(error.code, _OTHERWISE))


def register(app: Flask) -> None:
    """Makes every error of an application a readable answer."""

    @app.errorhandler(ProblemError)
    def _known(error: ProblemError) -> Response:
        return answer(error.status, error.detail)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400 and error.response is not None:
            return make_response(error.response)
        response = answer(status, _sentence(error, status))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = dict(error.get_headers()).get("Allow", "GET")
        return response

    @app.errorhandler(Exception)
    def _unknown(error: Exception) -> Response:
        # The trace stays here, and so does its text, which may quote a file.
        place = extract_tb(error.__traceback__)[-1]
        where = f"{place.filename}:{place.lineno}"
        _LOG.error("request %s: %s at %s", g.get("request_id", "-"), type(error).__name__, where)
        return answer(500, _SENTENCES[500])


def answer(status: int, detail: str) -> Response:
    """The answer to a request that failed, in the form that its sender reads."""
    title = HTTPStatus(status).phrase
    content_type = None
    if request.path.startswith(("/api/", "/readyz", "/healthz", "/metrics")):
        number = g.get("request_id", "")
        problem = {"title": title, "status": status, "detail": detail, "request_id": number}
        body = json.dumps({"type": "about:blank", **problem})
        content_type = "application/problem+json"
    elif "X-Fragment" in request.headers:
        body = render_template("failure.html", detail=detail)
    else:
        body = render_template("error.html", title=title, detail=detail)
    return Response(body, status, of_status(status), content_type=content_type)


def of_status(status: int) -> dict[str, str]:
    """The headers of an answer about an image: nobody keeps it, and some are worth another try."""
    again = {"Retry-After": _BUSY_FOR} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return {"Cache-Control": "no-store", **again}


def _sentence(error: HTTPException, status: int) -> str:
    if isinstance(error, CSRFError):
        return "The form is out of date: reload the page and send the image again."
    return _SENTENCES.get(status, f"{HTTPStatus(status).phrase}.")
