"""The inspection as one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from components.ingest.inspection.findings import Findings
from components.ingest.inspection.matches import cross_matches, groups_of_several, label_conflicts
from components.ingest.inspection.montage import Album, examples, spread
from components.ingest.inspection.numbers import rejection_number
from components.ingest.inspection.verdicts import judge
from components.ingest.split_names import SPLITS
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


def render(findings: Findings, survey: Survey, config: IngestConfig) -> str:
    """Draws the page.

    Args:
        findings: The figures.
        survey: The images that are shown.
        config: As they were read.

    Returns:
        HTML with its style and pictures in it; it loads nothing and runs nothing.
    """
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
        album=Album(survey.records, config),
        examples=list(by_class.items())[:_EXAMPLE_CLASSES],
        exact=spread(exact, _EXACT),
        near=spread(near, _NEAR),
        exact_count=len(exact),
        near_count=len(near),
        groups=[(len(group), spread(group, _GROUP_IMAGES)) for group in groups[:_GROUPS]],
        conflicts=[(len(group), group[:_GROUP_IMAGES]) for group in conflicts[:_CONFLICTS]],
        rejections=[
            (rejection_number(index), shown(rejection.reason))
            for index, rejection in spread(list(enumerate(survey.rejections)), _REJECTED)
        ],
    )
