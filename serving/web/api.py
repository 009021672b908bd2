"""The JSON API: a file in, the model's answer to each of its images out."""

import base64
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from components.disclaimer import DISCLAIMER
from serving.client import Explanation, Prediction
from serving.web.judging import Judged, SliceFinding, judge
from serving.web.problems import ProblemError, of_status
from serving.web.security import csrf, limiter, sending_rate
from serving.web.state import state
from serving.web.uploads import sent_image
from serving.web.viewing import whole

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
    frame = whole("frame")
    judged = judge(sent_image(), state(), explain=explain, frame=frame)
    response = jsonify(_as_json(judged))
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


def _as_json(judged: Judged) -> dict[str, Any]:
    if judged.volume is None:
        [only] = judged.slices
        assert only.result is not None  # `judge` has raised what is wrong with the only one
        return {
            **_result(only.result),
            "digest": judged.digest,
            "left_out": judged.facts.left_out,
            "notice": DISCLAIMER,
        }
    return {
        "frames": judged.frames,
        "blank": judged.blank,
        "volume": {**asdict(judged.volume), "words": judged.volume.words},
        "slices": [_slice(one) for one in judged.slices],
        "facts": asdict(judged.facts),
        "digest": judged.digest,
        "version": judged.version,
        "notice": DISCLAIMER,
    }


def _slice(one: SliceFinding) -> dict[str, Any]:
    if one.result is None:
        return {"frame": one.frame, "inside": one.inside, "error": one.error}
    body = {**_result(one.result), "frame": one.frame, "inside": one.inside}
    if isinstance(one.result, Explanation) and one.scan is not None:
        body["picture"] = base64.b64encode(one.scan.picture).decode()
        body["picture_type"] = one.scan.picture_type
    return body


def _result(result: Prediction) -> dict[str, Any]:
    shown = (one.name for one in fields(result) if one.name != "heatmap")
    body: dict[str, Any] = {name: getattr(result, name) for name in shown}
    if isinstance(result, Explanation):
        body["overlay"] = base64.b64encode(result.overlay).decode()
    return body
