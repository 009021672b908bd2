"""Figures of images that were changed, with intervals, and some of these images to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluate.config import EvaluateConfig
from components.evaluate.metrics import ratio
from components.evaluate.predictions.table import Flags, Floats, PredictionTable
from components.evaluate.report.bootstrap import GroupBootstrap, Statistic, share_of
from components.evaluate.report.figures import ChangeFigures, Figure, RobustnessFigures
from components.evaluate.report.gallery import chosen_images
from components.evaluate.robustness import TEST, compared_images, share
from components.robustness.changes import CHANGES, Change, Kind
from components.robustness.subject import Subject
from components.robustness.table import ChangedAnswers, SplitAnswers, places
from imaging.thumbnail import data_address, thumbnail

_SHOWN_SHIFTS = 6
"""Of how many kinds of shift a picture is shown, the worst ones."""
_SIDE = 128
_ALL_OF_A_KIND = -1
"""In the place of a change: the mean of several."""
_NOTHING = "nothing is left to see of any image"
_NO_STYLE = "no image of another class gives a style"


@dataclass(frozen=True)
class Guise:
    """An image that was changed, and what the model says of it.

    Attributes:
        words: How it was changed.
        image: As a data URI.
        predicted: The likeliest class.
        confidence: Of that class.
        right: Whether it is the true one.
    """

    words: str
    image: str
    predicted: str
    confidence: float
    right: bool


def robustness_figures(
    changed: ChangedAnswers, predictions: PredictionTable | None, config: EvaluateConfig
) -> dict[str, RobustnessFigures]:
    """Measures how a model answers changed images.

    Args:
        changed: What it says of them.
        predictions: Of the test images as they are: which of them either model knows. Without
            them nothing is compared.
        config: The class without a tumour, and how many bootstrap samples to draw.

    Returns:
        Figures by split; a split without an image has none.
    """
    found = {}
    for split, answers in changed.splits.items():
        figures = _figures(answers, changed.header.classes, config)
        if split == TEST and predictions is not None and config.compare:
            figures = figures.model_copy(
                update={"differences": _differences(answers, predictions, config)}
            )
        found[split] = figures
    return found


def why_missing(changed: ChangedAnswers) -> str:
    """Says in a clause why there are no figures; empty if there are some."""
    if not changed.header.images:
        return "robustness.images is 0"
    return "" if changed.splits else "there is no labelled image of eval or test"


def _figures(
    answers: SplitAnswers, classes: Sequence[str], config: EvaluateConfig
) -> RobustnessFigures:
    bootstrap = GroupBootstrap(answers.groups, config.resamples)
    statistics: dict[tuple[str, int], Statistic] = {}
    healthy = config.healthy_class
    for column in range(len(CHANGES)):
        asked = answers.asked[:, column]
        statistics["accuracy", column] = share_of(asked, answers.right[:, column])
        wrong = answers.confidently_wrong[:, column]
        statistics["confidently_wrong", column] = share_of(asked, wrong)
        if healthy is not None and healthy in classes:
            index = list(classes).index(healthy)
            found = answers.not_called(index)[:, column]
            tumours = asked & (answers.labels != index)
            statistics["tumour_sensitivity", column] = share_of(tumours, found)
    means: dict[str, tuple[Kind, Flags]] = {
        "swapped_accuracy": ("style", answers.right),
        "shifted_accuracy": ("shift", answers.right),
        "confidently_wrong": ("shift", answers.confidently_wrong),
    }
    for name, (kind, hits) in means.items():
        statistics[name, _ALL_OF_A_KIND] = _mean(answers.asked, hits, places(kind))
    values = bootstrap.figures(statistics)
    of_change = {
        change.key: _of_change(change, column, values) for column, change in enumerate(CHANGES)
    }
    by_kind = {
        kind: tuple(of_change[change.key] for change in CHANGES if change.kind == kind)
        for kind in ("unchanged", "style", "remains", "shift")
    }
    return RobustnessFigures(
        images=len(answers),
        groups=bootstrap.group_count,
        chance=float(np.bincount(answers.labels).max() / len(answers)),
        unchanged=by_kind["unchanged"][0],
        styles=by_kind["style"],
        remains=by_kind["remains"],
        shifts=tuple(sorted(by_kind["shift"], key=_order)),
        swapped_accuracy=_told(values["swapped_accuracy", _ALL_OF_A_KIND], _NO_STYLE),
        shifted_accuracy=_told(values["shifted_accuracy", _ALL_OF_A_KIND], _NOTHING),
        confidently_wrong=_told(values["confidently_wrong", _ALL_OF_A_KIND], _NOTHING),
        left_out=int((~answers.asked).sum()),
    )


def _of_change(change: Change, column: int, values: dict[tuple[str, int], Figure]) -> ChangeFigures:
    missing = _NO_STYLE if change.kind == "style" else _NOTHING
    nothing = Figure(value=None, missing="no class is named as the one without a tumour")
    sensitivity = values.get(("tumour_sensitivity", column), nothing)
    return ChangeFigures(
        name=change.name,
        strength=change.strength,
        words=change.words,
        accuracy=_told(values["accuracy", column], missing),
        tumour_sensitivity=sensitivity,
        confidently_wrong=_told(values["confidently_wrong", column], missing),
    )


def _told(figure: Figure, missing: str) -> Figure:
    """Gives a figure without a number its reason, in words of this page."""
    return figure if figure.value is not None else figure.model_copy(update={"missing": missing})


def _order(figures: ChangeFigures) -> float:
    return 2.0 if figures.accuracy.value is None else figures.accuracy.value


def _mean(asked: Flags, hits: Flags, inside: list[int]) -> Statistic:
    """The mean of some changes' shares."""
    there, counted = (one[:, inside].astype(np.float64) for one in (asked, asked & hits))
    value = share(hits, asked, inside)

    def of(weights: Floats) -> Floats:
        shares = ratio(weights @ counted, weights @ there)
        return ratio(np.nansum(shares, 1), np.isfinite(shares).sum(1))

    # Where all are right, or none, samples say the same, and the number of groups has to tell.
    alike = np.asarray(hits[:, inside].any(1)) if value in (0.0, 1.0) else None
    return Statistic(of, np.asarray(asked[:, inside].any(1)), alike)


def _differences(
    answers: SplitAnswers, predictions: PredictionTable, config: EvaluateConfig
) -> dict[str, Figure]:
    new = compared_images(answers, predictions, config)
    earlier = answers.baseline_right
    if new is None or earlier is None:
        return {}
    bootstrap = GroupBootstrap(answers.groups[new], config.resamples)
    statistics = {}
    for name, inside in (
        ("swapped_accuracy", places("style")),
        ("shifted_accuracy", places("shift")),
    ):
        own, other = (
            _mean(answers.asked[new], right[new], inside) for right in (answers.right, earlier)
        )
        statistics[name] = _difference(own, other)
    return bootstrap.figures(statistics)


def _difference(own: Statistic, other: Statistic) -> Statistic:
    return Statistic(lambda weights: own.of(weights) - other.of(weights), own.about)


def guises(
    changed: ChangedAnswers, figures: RobustnessFigures | None, examples: str, healthy: str | None
) -> list[Guise]:
    """Shows one test image as the model was shown it.

    Args:
        changed: What the model says.
        figures: Of the test images, for which shifts are worst.
        examples: The folder of ingest's test Examples.
        healthy: The class without a tumour.

    Returns:
        The image as it is, in another style, without anatomy, and in the worst shifts; of an image
        with a tumour, if there is one. Empty if the image is gone.
    """
    answers = changed.splits.get(TEST)
    if answers is None or figures is None:
        return []
    classes = changed.header.classes
    tumours = answers.labels != (classes.index(healthy) if healthy in classes else -1)
    # One that is recognised as it is, if there is such a one: what changes then is telling.
    row = int(np.lexsort((~answers.right[:, 0], ~tumours))[0])
    digests = {str(answers.sha256[row]), str(answers.styles[row])} - {""}
    read = {
        digest: Subject.read(encoded, digest)
        for batch in chosen_images(examples, digests)
        for digest, encoded in batch
    }
    subject = read.get(str(answers.sha256[row]))
    if subject is None:
        return []
    style = read.get(str(answers.styles[row]))
    subject = subject if style is None else subject.in_style_of(style)
    found = []
    for column in _shown(figures):
        pixels = CHANGES[column].apply(subject)
        if pixels is not None and answers.asked[row, column]:
            values = np.nan_to_num(answers.probabilities[row, column], nan=0.0)
            found.append(
                Guise(
                    words=CHANGES[column].words,
                    image=data_address(thumbnail(pixels, _SIDE)),
                    predicted=classes[int(values.argmax())],
                    confidence=float(values.max()),
                    right=bool(answers.right[row, column]),
                )
            )
    return found


def _shown(figures: RobustnessFigures) -> list[int]:
    """Which changes are shown: of each kind of shift its worst strength."""
    worst: dict[str, tuple[str, int]] = {}
    for one in figures.shifts:
        worst.setdefault(one.name, (one.name, one.strength))
    keys = set(list(worst.values())[:_SHOWN_SHIFTS])
    chosen = [column for column, change in enumerate(CHANGES) if change.kind != "shift"]
    return chosen + [column for column, change in enumerate(CHANGES) if change.key in keys]
