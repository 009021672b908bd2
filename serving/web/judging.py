"""What is said of a file: of each of its frames, and of a volume as a whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from imaging.reader import OpenFile
from imaging.viewing import FileView
from serving.client import EncodedImage, Explanation, Prediction, VolumeAnswer, inside, pool
from serving.web.heat import heat_picture
from serving.web.problems import ProblemError
from serving.web.state import PageState
from serving.web.uploads import Scan, open_upload, read_scans

_SHOWN_DIGITS = 12
"""Of a digest: enough to tell the files of a hospital apart, few enough to compare by eye."""
_AT_ONCE = 8
"""Frames that are read, sent and explained together: a few seconds of a small server's time."""


@dataclass(frozen=True)
class SliceFinding:
    """What became of one frame.

    Attributes:
        frame: Its number in the file, counted from 0.
        inside: Whether it counts for the volume's answer.
        scan: The picture; None if the frame cannot be read.
        result: What the model said; None if it could not.
        error: Why there is no result, or None.
        orientation: Letters of its sides, if they are known.
    """

    frame: int
    inside: bool
    scan: Scan | None
    result: Prediction | None
    error: str | None
    orientation: Mapping[str, str] | None


@dataclass(frozen=True)
class Judged:
    """What is said of a file.

    Attributes:
        digest: The beginning of the SHA-256 of the file that was sent.
        frames: How many frames or slices it has.
        blank: How many of them are left out, as they are of a single colour.
        facts: What it says of its pictures.
        slices: What became of the others, at least one.
        volume: The answer for all of them; None if only one was asked for or there is one.
    """

    digest: str
    frames: int
    blank: int
    facts: FileView
    slices: list[SliceFinding]
    volume: VolumeAnswer | None

    @property
    def version(self) -> int | None:
        """The model's version, as far as it is known."""
        return next((one.result.version for one in self.slices if one.result is not None), None)


def judge(content: bytes, state: PageState, *, explain: bool, frame: int | None = None) -> Judged:
    """Has the model judge a file, each of its frames.

    Args:
        content: The file.
        state: The limits, the model, and what is counted.
        explain: Whether to show where the model looked.
        frame: Only this frame.

    Returns:
        What is said of it.

    Raises:
        ProblemError: It cannot be used, there is nobody to ask, no frame has a result, or the
            frames have results of several versions.
    """
    with state.model.turn():
        file = open_upload(content, state.config, frame)
        asked = _by_one_version(file, state, explain=explain)
    judged = [one for one in asked if one.result is not None]
    if not judged:
        raise next(one.problem for one in asked if one.problem is not None)
    results = [one.result for one in judged if one.result is not None]
    heads = [0.0 if one.scan is None else one.scan.head for one in judged]
    counts = {one.number for one, counted in zip(judged, inside(heads), strict=True) if counted}
    for one, result in zip(judged, results, strict=True):
        if one.number in counts:  # a slice at the crown says nothing about what people send
            state.metrics.result(result)
    volume = pool(results, heads) if file.frames > 1 and frame is None else None
    return Judged(
        digest=file.sha256[:_SHOWN_DIGITS],
        frames=file.frames,
        blank=len(file.numbers) - len(asked),
        facts=file.viewer.file,
        slices=[
            SliceFinding(
                frame=one.number,
                inside=one.number in counts,
                scan=one.scan,
                result=one.result,
                error=None if one.problem is None else one.problem.detail,
                orientation=_orientation(file, one),
            )
            for one in asked
        ],
        volume=volume,
    )


@dataclass(frozen=True)
class _Asked:
    number: int
    scan: Scan | None
    result: Prediction | None = None
    problem: ProblemError | None = None


def _by_one_version(file: OpenFile, state: PageState, *, explain: bool) -> list[_Asked]:
    """Asks again, once, if another version took over in the middle."""
    for _ in range(2):
        asked = list(_asked(file, state, explain=explain))
        if len({one.result.version for one in asked if one.result is not None}) <= 1:
            return asked
    raise ProblemError(503, "The model was replaced while it judged the file. Try again shortly.")


def _asked(file: OpenFile, state: PageState, *, explain: bool) -> Iterator[_Asked]:
    read = read_scans(file)
    while some := list(islice(read, _AT_ONCE)):
        sent = [
            EncodedImage(one.content, number, file.frames)
            for number, one in some
            if isinstance(one, Scan)
        ]
        answers = iter(state.model.answers(sent, explain=explain) if sent else ())
        for number, one in some:
            if isinstance(one, ProblemError):
                yield _Asked(number, None, problem=one)
                continue
            answer = next(answers)
            if isinstance(answer, ProblemError):
                yield _Asked(number, one, problem=answer)
            else:
                yield _Asked(number, one, _with_heat(answer, one))


def _with_heat(answer: Prediction, scan: Scan) -> Prediction:
    if not isinstance(answer, Explanation):
        return answer
    return replace(answer, overlay=heat_picture(answer, scan.outline))


def _orientation(file: OpenFile, one: _Asked) -> Mapping[str, str] | None:
    return None if one.scan is None else file.viewer.frame(one.number).orientation
