"""A file's frames for the viewer: what it says of them, and their samples; no model is asked."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from imaging.picture import RejectedImageError
from imaging.reader import OpenFile
from serving.web.problems import ProblemError, of_status
from serving.web.security import csrf, limiter, viewing_rate
from serving.web.state import state
from serving.web.uploads import in_words, open_upload, sent_image

viewing = Blueprint("viewing", __name__)
csrf.exempt(viewing)  # It takes no cookie.
_MOST_DIGITS = 9
READ = "X-Frames"
"""The header that says which frames' samples an answer holds."""


@viewing.post("/api/v1/frames")
@limiter.limit(viewing_rate)
def frames() -> Response:
    """What the file says of its frames; with `first`, the samples of `count` of them."""
    first, count = whole("first"), whole("count", 1)
    assert count is not None
    content = sent_image()
    with state().model.turn(), in_words():
        file = open_upload(content, state().config)
        if first is None:
            response = jsonify(_facts(file))
        else:
            pieces = _samples(file, first, count)
            response = Response(b"".join(pieces.values()), content_type="application/octet-stream")
            response.headers[READ] = ",".join(map(str, pieces))
    response.headers.update(of_status(response.status_code))
    return response


def whole(name: str, default: int | None = None) -> int | None:
    """A whole number of the request's query.

    Args:
        name: Of the number.
        default: What it is if it is not there.

    Raises:
        ProblemError: It is none.
    """
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise ProblemError(400, f"{name} must be a whole number from 0.")
    return int(text)


def _facts(file: OpenFile) -> dict[str, Any]:
    facts = asdict(file.viewer.file)
    slices = [one for one in (_frame(file, n) for n in file.numbers) if one is not None]
    return {"frames": file.frames, **facts, "slices": slices}


def _frame(file: OpenFile, number: int) -> dict[str, Any] | None:
    """What the file says of a frame; None if it cannot be read."""
    try:
        frame = file.viewer.frame(number)
    except RejectedImageError:
        return None
    return {
        "frame": number,
        "slope": frame.scale.slope,
        "intercept": frame.scale.intercept,
        "window": _window(frame.window),
        "said_window": _window(frame.said_window),
        "orientation": frame.orientation,
    }


def _window(pair: tuple[float, float] | None) -> dict[str, float] | None:
    return None if pair is None else dict(zip(("centre", "width"), pair, strict=True))


def _samples(file: OpenFile, first: int, count: int) -> dict[int, bytes]:
    """The samples of those frames that can be read, at least one, by number."""
    if not 1 <= count <= file.frames - first:
        raise ProblemError(400, f"The file has no frames {first} to {first + count - 1}.")
    asked = [number for number in file.numbers if first <= number < first + count]
    if not asked:
        raise ProblemError(422, "The frame is a localizer, and localizers are left out.")
    facts, most = file.viewer.file, state().config.max_request_bytes
    size = facts.width * facts.height * facts.channels * facts.bits // 8
    if size * count > most:
        raise ProblemError(413, f"That is more than {most / 1e6:,.3g} MB: ask for fewer frames.")
    found: dict[int, bytes] = {}
    problem: RejectedImageError | None = None
    for number in asked:
        try:
            samples = file.samples(number)
        except RejectedImageError as error:
            problem = error
            continue
        found[number] = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    if problem is not None and not found:
        raise problem
    return found
