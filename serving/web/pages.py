"""The pages: the form, and the results of what it sends."""

import io
import ntpath
from pathlib import Path

from flask import Blueprint, Response, abort, redirect, render_template, request, send_file, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as WerkzeugResponse

import components.pages
from components.pages.names import shown
from serving.web.documents import links
from serving.web.finding import FileFinding, words
from serving.web.judging import judge
from serving.web.problems import ProblemError, of_status
from serving.web.security import limiter, sending_rate
from serving.web.series import together
from serving.web.state import state

pages = Blueprint("pages", __name__)
BASE_CSS = Path(components.pages.__file__).parent / "base.css"
"""The look that this project's pages share."""


@pages.get("/")
def index() -> str:
    """The form."""
    return render_template("index.html", config=state().config, examples=state().examples)


@pages.get("/results")
def no_results() -> WerkzeugResponse:
    """Results are not kept: whoever comes back to them finds the form."""
    return redirect(url_for("pages.index"))


@pages.post("/results")
@limiter.limit(sending_rate)
def results() -> Response:
    """The results of the images that were sent: a page, or its inner part for the script."""
    config = state().config
    files = _chosen()
    if not files:
        raise ProblemError(400, "Choose an image first.")
    if len(files) > config.max_files:
        raise ProblemError(413, f"Send at most {config.max_files} images at once.")
    findings: list[FileFinding] = []
    failures: list[tuple[int, str, ProblemError]] = []
    for number, file in enumerate(files):
        try:
            findings.append(_finding(number, file))
        except ProblemError as error:
            failures.append((number, _name(file), error))
    template = "cards.html" if "X-Fragment" in request.headers else "results.html"
    status = 200 if findings else max(error.status for *_, error in failures)
    groups = together(findings)
    findings = [finding for _, group in groups for finding in group]
    body = render_template(template, groups=groups, findings=findings, failures=failures)
    return Response(body, status, headers=of_status(status))


@pages.get("/examples/<name>.jpg")
def thumbnail(name: str) -> Response:
    """A small picture of a synthetic example."""
    example = state().examples.images.get(name)
    if example is None:
        abort(404)
    return send_file(io.BytesIO(example.thumbnail), "image/jpeg")


@pages.get("/base.css")
def base_css() -> Response:
    """The look that this project's pages share."""
    return send_file(BASE_CSS)


def _chosen() -> list[FileStorage]:
    """The example whose button was pressed, or else the files that were sent."""
    name = request.form.get("example")
    if name is None:
        return [file for file in request.files.getlist("image") if file.filename]
    example = state().examples.images.get(name)
    if example is None:
        raise ProblemError(400, "This example does not exist: reload the page.")
    return [FileStorage(io.BytesIO(example.content), f"Synthetic example: {words(name)}")]


def _finding(number: int, file: FileStorage) -> FileFinding:
    judged = judge(file.stream.read(), state(), explain=True)
    return FileFinding(**vars(judged), number=number, name=_name(file), links=links(judged.version))


def _name(file: FileStorage) -> str:
    """What a file is called, without folders: for the person who sent it, and nobody else."""
    return shown(ntpath.basename(file.filename or "") or "image")
