"""The JSON API: one image in, the model's answer out."""

import base64
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from components.disclaimer import DISCLAIMER
from serving.client import Explanation, Prediction
from serving.web.problems import ProblemError, of_status
from serving.web.security import csrf, limiter, sending_rate
from serving.web.state import state
from serving.web.uploads import read_scan

api = Blueprint("api", __name__)
csrf.exempt(api)  # It takes no cookie.
_DOCUMENT = json.loads(Path(__file__).with_name("openapi.json").read_text(encoding="utf-8"))
_YES_OR_NO = {"0": False, "1": True, "false": False, "true": True}


@api.post("/api/v1/predict")
@limiter.limit(sending_rate)
def predict() -> Response:
    """Classifies the image of the request."""
    explain = _YES_OR_NO.get(request.args.get("explain", "0"))
    if explain is None:
        raise ProblemError(400, "explain must be 0 or 1.")
    model, content = state().model, _content()  # A turn is not for waiting until all is sent.
    with model.turn():
        scan = read_scan(content, state().config)
        result = model.explain(scan.content) if explain else model.predict(scan.content)
    state().metrics.result(result)
    response = jsonify(_as_json(result))
    response.headers.update(of_status(response.status_code))
    return response


@api.get("/api/v1/openapi.json")
def document() -> Response:
    """The API's OpenAPI document."""
    return jsonify(_DOCUMENT)


@api.get("/api")
def documentation() -> str:
    """The same for people."""
    return render_template("api.html", api=_DOCUMENT)


def _content() -> bytes:
    if request.mimetype != "multipart/form-data":
        return request.get_data(cache=False)
    files = request.files.getlist("image")
    if len(files) != 1:
        raise ProblemError(400, "Send one image per request, as the form's field `image`.")
    return files[0].stream.read()


def _as_json(result: Prediction) -> dict[str, Any]:
    shown = (one.name for one in fields(result) if one.name != "heatmap")
    body: dict[str, Any] = {name: getattr(result, name) for name in shown}
    body["notice"] = DISCLAIMER
    if isinstance(result, Explanation):
        body["overlay"] = base64.b64encode(result.overlay).decode()
    return body
