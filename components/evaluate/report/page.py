"""The report as one HTML page that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.evaluate.metrics import Answers
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.report import drawings
from components.evaluate.report.card import ModelCard
from components.evaluate.report.coverage import CoverageRisk
from components.evaluate.report.figures import TITLES, Figure, Figures, SliceFigures
from components.evaluate.report.foreign import TEST_IMAGES
from components.evaluate.report.gallery import Choice, Exhibit
from components.evaluate.verdict import ModelVerdict
from components.gate.verdict import DataVerdict
from components.ingest.report import IngestReport
from components.pages.templates import render_page
from components.serve_check.verdict import ServeVerdict

_LEAST_SLICE = 10
"""Slices of fewer images are listed last: their figures say little."""


@dataclass(frozen=True)
class Content:
    """All that the page shows.

    Attributes:
        figures: Measured on the test images.
        verdict: Whether the model is blessed, and why not.
        card: Its model card.
        data: What ingest counted.
        gate: What the data gate found.
        server: What the serve check found.
        history: Training figures by name, one an epoch.
        predictions: Of the test images, for the curves.
        choice: The images to show.
        exhibits: Those images, by row.
        run: The pipeline run.
        push: `auto` or `after_review`.
        computable: Whether the predictions allow curves.
    """

    figures: Figures
    verdict: ModelVerdict
    card: ModelCard
    data: IngestReport
    gate: DataVerdict
    server: ServeVerdict
    history: Mapping[str, Sequence[float]]
    predictions: PredictionTable
    choice: Choice
    exhibits: Mapping[int, Exhibit]
    run: str
    push: str
    computable: bool


@dataclass(frozen=True)
class Gallery:
    """Images side by side.

    Attributes:
        title: What they have in common.
        sentence: Which of them are shown.
        count: How many there are, shown or not.
        exhibits: Those that are shown.
    """

    title: str
    sentence: str
    count: int
    exhibits: Sequence[Exhibit]


def render(content: Content) -> str:
    """Draws the page.

    Args:
        content: What it shows.

    Returns:
        HTML with its style, drawings and images in it; it loads nothing and runs nothing.
    """
    return render_page(
        Path(__file__).with_name("page.html"),
        content=content,
        figures=content.figures,
        verdict=content.verdict,
        server=content.server,
        reasons=(*content.verdict.reasons, *content.server.reasons),
        card=content.card,
        data=content.data,
        titles=TITLES,
        drawings=_drawings(content),
        slices=worst_first(content.figures.slices),
        test_images=TEST_IMAGES,
        galleries=_galleries(content),
    )


def worst_first(slices: Sequence[SliceFigures]) -> list[SliceFigures]:
    """Sorts parts of the test images: the least accurate first, tiny ones last."""
    return sorted(
        slices,
        key=lambda one: (one.images < _LEAST_SLICE, _value(one.accuracy), -one.images),
    )


def _value(figure: Figure) -> float:
    return 2.0 if figure.value is None else figure.value


def _galleries(content: Content) -> list[Gallery]:
    choice, healthy = content.choice, content.figures.healthy_class
    found = []
    if healthy is not None:
        more = choice.missed_in_all - len(choice.missed)
        sentence = f"Every test image with a tumour that the model calls {healthy}" + (
            f"; {more:,} more are not shown." if more else "."
        )
        found.append(
            _gallery(content, "Missed tumours", sentence, choice.missed, choice.missed_in_all)
        )
    return [
        *found,
        _gallery(
            content, "Most confident mistakes", "Of any kind, the surest first.", choice.mistakes
        ),
        _gallery(
            content,
            "Most uncertain images",
            "Right or wrong, the least sure first.",
            choice.uncertain,
        ),
    ]


def _gallery(
    content: Content, title: str, sentence: str, rows: Sequence[int], count: int | None = None
) -> Gallery:
    exhibits = [content.exhibits[row] for row in rows if row in content.exhibits]
    if gone := len(rows) - len(exhibits):
        sentence += f" Of these images, {gone:,} can no longer be read."
    return Gallery(title, sentence, len(rows) if count is None else count, exhibits)


def _drawings(content: Content) -> dict[str, str]:
    """SVG by name, of all that can be drawn."""
    figures, predictions = content.figures, content.predictions
    found = {
        f"training_{metric}": drawings.draw_training(content.history, metric)
        for metric in ("accuracy", "loss")
        if content.history.get(metric)
    }
    if figures.foreign and predictions.foreign and predictions.ood_score is not None:
        scores = {TEST_IMAGES: predictions.ood_score}
        for kind in np.unique(predictions.foreign.kinds):
            inside = predictions.foreign.kinds == kind
            scores[str(kind)] = predictions.foreign.ood_score[inside]
        if all(np.isfinite(values).all() for values in scores.values()):
            found["foreign"] = drawings.draw_scores(scores)
    if not content.computable:
        return found
    truth = {
        name: predictions.labels == index
        for index, name in enumerate(figures.classes)
        if 0 < (predictions.labels == index).sum() < len(predictions)
    }
    scores = {name: predictions.probabilities[:, figures.classes.index(name)] for name in truth}
    answers = Answers(predictions.labels, predictions.probabilities)
    curve = CoverageRisk.of(answers.confidence, answers.right)
    referred = figures.headline.get("referred")
    found |= {
        "confusion": drawings.draw_confusion(figures.confusion, figures.classes),
        "reliability": drawings.draw_reliability(figures.reliability),
        "coverage": drawings.draw_coverage(curve, referred.value if referred else None),
    }
    if truth:
        found["roc"] = drawings.draw_roc(truth, scores)
        found["precision_recall"] = drawings.draw_precision_recall(truth, scores)
    return found
