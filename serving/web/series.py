"""One answer for the files of a series, which were sent and judged one by one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

from flask import Blueprint, Response, render_template, request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from serving.client import VolumeAnswer, inside, pool
from serving.web.finding import FileFinding
from serving.web.judging import Judged
from serving.web.problems import ProblemError, of_status
from serving.web.security import limiter, sending_rate
from serving.web.state import state

series = Blueprint("series", __name__)
_MOST_BYTES = 1_000_000
_Share = Annotated[float, Field(ge=0, le=1.001, allow_inf_nan=False)]
_Name = Annotated[str, Field(max_length=256)]


class FileAnswer(BaseModel):
    """What was said of a file of one frame; a card carries it.

    Attributes:
        label: The likeliest class.
        probabilities: By class name.
        in_distribution: Whether it looks like what the model was trained on.
        refer: Whether a person must decide.
        reasons: Why.
        head: Share of the image that the head takes up.
        version: The model's.
    """

    model_config = ConfigDict(extra="forbid")

    label: _Name
    probabilities: Annotated[dict[_Name, _Share], Field(min_length=1, max_length=10_000)]
    in_distribution: bool | None
    refer: bool | None
    reasons: Annotated[str, Field(max_length=10_000)] | None
    head: _Share
    version: int | None


@dataclass(frozen=True)
class PooledAnswer:
    """What is said of a series.

    Attributes:
        files: How many files of it have an answer.
        volume: The answer for all; None if several versions answered, or classes differ.
        counted: Of each file, whether it counts for that.
        best: Which file shows most of the class, of those that count.
        versions: The model's versions that answered.
    """

    files: int
    volume: VolumeAnswer | None
    counted: Sequence[bool]
    best: int
    versions: Sequence[int | None]


_ANSWERS = TypeAdapter(list[FileAnswer])


@series.post("/results/series")
@limiter.limit(sending_rate)
def answer() -> Response:
    """The answer for files of a series, by what their cards say: no image is sent again."""
    if (request.content_length or 0) > _MOST_BYTES:
        raise ProblemError(413, "That is too large for the answers of a series.")
    try:
        answers = _ANSWERS.validate_json(request.get_data(cache=False))
    except ValidationError:
        raise ProblemError(400, "These are not answers of a series.") from None
    most = state().config.most_at_once
    if not 2 <= len(answers) <= most:
        raise ProblemError(400, f"Send the answers for 2 to {most:,} files of a series.")
    body = render_template("series.html", answer=pooled(answers))
    return Response(body, headers=of_status(200))


def pooled(answers: Sequence[FileAnswer]) -> PooledAnswer:
    """Makes one answer of those for the files of a series, as for the slices of a volume.

    Args:
        answers: At least one.

    Returns:
        The answer.
    """
    heads = [one.head for one in answers]
    versions = list(dict.fromkeys(one.version for one in answers))
    alike = len({frozenset(one.probabilities) for one in answers}) == 1 == len(versions)
    volume = pool(answers, heads) if alike else None
    counted = inside(heads)

    def shows(index: int) -> tuple[bool, float]:
        found = answers[index].probabilities
        return counted[index], found[volume.label] if volume else max(found.values())

    best = max(range(len(answers)), key=shows)
    return PooledAnswer(len(answers), volume, counted, best, versions)


def together(
    findings: Sequence[FileFinding],
) -> list[tuple[PooledAnswer | None, list[FileFinding]]]:
    """Puts results of one patient beside each other, and files of a series in their order.

    Args:
        findings: Of files, as they were sent.

    Returns:
        Series with their answers, and files that are no part of one without.
    """
    first: dict[str | None, int] = {}
    for number, one in enumerate(findings):
        first.setdefault(_patient(one), number)
        first.setdefault(_series(one), number)

    def place(numbered: tuple[int, FileFinding]) -> tuple[float, ...]:
        number, one = numbered
        patient = first[_patient(one)] if _patient(one) else number
        return patient, first[_series(one)] if _series(one) else number, one.facts.position_mm or 0

    ordered = sorted(enumerate(findings), key=place)
    found = []
    for _, numbered in groupby(ordered, lambda numbered: _series(numbered[1]) or numbered[0]):
        group = [one for _, one in numbered]
        said = [text for text in map(file_answer, group) if text] if len(group) > 1 else []
        answers = [FileAnswer.model_validate_json(text) for text in said]
        found.append((pooled(answers) if len(answers) > 1 else None, group))
    return found


def _series(finding: FileFinding) -> str | None:
    return finding.facts.series if finding.frames == 1 else None


def _patient(finding: FileFinding) -> str | None:
    return finding.facts.patient or finding.facts.study


def file_answer(judged: Judged) -> str | None:
    """What a card carries of a file of one frame, as JSON; None if it has no answer."""
    [only] = judged.slices
    if only.result is None or only.scan is None:
        return None
    said = {name: getattr(only.result, name) for name in FileAnswer.model_fields if name != "head"}
    return json.dumps({**said, "head": only.scan.head})
