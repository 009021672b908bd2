"""Whether the page and its model are there, and what was counted."""

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from serving.web.state import state

health = Blueprint("health", __name__)


@health.after_request
def _keep_nothing(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


@health.get("/healthz")
def alive() -> Response:
    """The page runs."""
    return jsonify(status="ok")


@health.get("/readyz")
def ready() -> Response:
    """The model answers, too; 503 where it does not."""
    return jsonify(status="ready", version=state().model.ready())


@health.get("/metrics")
def metrics() -> Response:
    """What Prometheus reads."""
    return Response(state().metrics.text(), content_type=CONTENT_TYPE_LATEST)
