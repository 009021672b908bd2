"""The inspection as one HTML page that needs nothing but itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.ingest.inspection.findings import SPLITS, Findings
from components.ingest.inspection.matches import (
    CrossMatch,
    cross_matches,
    groups_of_several,
    label_conflicts,
)
from components.ingest.inspection.montage import Album, Thumbnail, examples, spread
from components.ingest.inspection.numbers import rejection_number
from components.ingest.inspection.verdicts import judge
from components.pages.names import shown
from components.pages.templates import render_page

if TYPE_CHECKING:
    from components.ingest.config import IngestConfig
    from components.ingest.survey import Survey

# What is shown at most, so that the page stays a few MB whatever the folder holds.
_CLASSES = 40
_EXAMPLE_CLASSES = 10
_EXAMPLES = 8
_EXACT = 12
_NEAR = 30
_GROUPS = 6
_CONFLICTS = 12
_GROUP_IMAGES = 8
_REJECTED = 200
_ROWS = 12

SPLIT_NAMES = {"train": "training", "eval": "validation", "test": "test"}


@dataclass(frozen=True)
class Pair:
    """A test image beside the training image that it resembles, and how much."""

    test: Thumbnail
    training: Thumbnail
    likeness: str


@dataclass(frozen=True)
class ShownGroup:
    """Some images of a group, and how many it has in all."""

    pictures: list[Thumbnail]
    images: int


def render(findings: Findings, survey: Survey, config: IngestConfig) -> str:
    """Draws the page.

    Args:
        findings: The figures.
        survey: The images that are shown.
        config: As they were read.

    Returns:
        HTML with its style and pictures in it; it loads nothing and runs nothing.
    """
    album = Album(survey.records, config)
    matches = cross_matches(survey)
    exact = [match for match in matches if match.exact]
    near = [match for match in matches if not match.exact]
    groups = groups_of_several(survey)
    conflicts = label_conflicts(survey.records, groups)
    by_class = examples(survey.records, _EXAMPLES)
    return render_page(
        Path(__file__).with_name("page.html"),
        findings=findings,
        verdicts=judge(findings),
        threshold=config.duplicates.threshold,
        splits=[split for split in SPLITS if split in findings.splits],
        split_names=SPLIT_NAMES,
        classes=list(findings.classes.items())[:_CLASSES],
        largest_class=max(findings.classes.values(), default=0),
        formats=list(findings.formats.items())[:_ROWS],
        sizes=list(findings.sizes.items())[:_ROWS],
        reasons=list(findings.reasons.items())[:_ROWS],
        examples={
            shown(label): [album[index] for index in by_class[label]]
            for label in list(by_class)[:_EXAMPLE_CLASSES]
        },
        exact=_pairs(spread(exact, _EXACT), album),
        near=_pairs(spread(near, _NEAR), album),
        exact_count=len(exact),
        near_count=len(near),
        groups=[_group(spread(group, _GROUP_IMAGES), group, album) for group in groups[:_GROUPS]],
        conflicts=[_group(group[:_GROUP_IMAGES], group, album) for group in conflicts[:_CONFLICTS]],
        rejections=[
            (rejection_number(index), shown(rejection.reason))
            for index, rejection in spread(list(enumerate(survey.rejections)), _REJECTED)
        ],
    )


def _pairs(matches: Sequence[CrossMatch], album: Album) -> list[Pair]:
    return [Pair(album[match.test], album[match.training], _likeness(match)) for match in matches]


def _likeness(match: CrossMatch) -> str:
    """The correlation, rounded down: only identical pixels are wholly alike."""
    return "identical" if match.exact else f"{math.floor(1000 * match.correlation) / 1000:.3f}"


def _group(chosen: Sequence[int], group: Sequence[int], album: Album) -> ShownGroup:
    return ShownGroup([album[index] for index in chosen], len(group))
