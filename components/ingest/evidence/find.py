"""Finds what the training images can teach: looks by class, and what levels alone tell."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.ingest.evidence.grouping import group_looks
from components.ingest.evidence.levels import Groups, Names, tell_by_levels
from components.ingest.evidence.steady import look_numbers, steady_levels
from components.ingest.evidence.table import Evidence, Look
from components.ingest.evidence.words import look_words
from components.ingest.looks import read_picture
from components.pages.names import shown
from imaging.appearance import LEVELS
from imaging.head import head_alone
from imaging.picture import RejectedImageError
from imaging.thumbnail import data_address, thumbnail

if TYPE_CHECKING:
    from components.ingest.config import IngestConfig
    from components.ingest.records import ImageRecord
    from components.ingest.survey import Survey

_LOG = logging.getLogger(__name__)
_EXAMPLES = 4
_TRIED = 40
"""Typical images that are looked through for examples that are not copies of each other."""
_SIDE = 72
"""Pixels of an example's longer side."""
_TAGS = ("plane", "manufacturer_model", "field_strength")
_VALUES = 3
"""Of a tag, those of most images."""
_MOSTLY = 0.8
"""Share of a look's images in one plane from which it is named after the plane."""


def find_evidence(survey: Survey, config: IngestConfig, chosen: Sequence[int]) -> Evidence:
    """Groups training images by their looks, and counts classes in each.

    Args:
        survey: All images, with their looks and groups.
        config: As they were read. Classes are named as `components.pages.names` shows them.
        chosen: Which records are training images.

    Returns:
        The table; without training images an empty one.
    """
    from threadpoolctl import threadpool_limits

    if not chosen:
        return Evidence()
    records = [survey.records[index] for index in chosen]
    vectors = survey.appearances[list(chosen)]
    groups = [survey.grouping.groups[index] for index in chosen]
    _LOG.info("grouping images by their looks")
    labels = np.array([shown(record.label) for record in records], str)
    numbers: Groups = np.unique(np.asarray(groups), return_inverse=True)[1]
    with threadpool_limits(1):  # so little work is done faster by one, and always alike
        grouped = group_looks(look_numbers(vectors), numbers)
        told = tell_by_levels(vectors[:, : len(LEVELS)], labels, numbers)
        steady = tell_by_levels(steady_levels(vectors), labels, numbers)
    classes = [shown(name) for name in config.classes]
    count = int(grouped.looks.max()) + 1
    members_of = [np.flatnonzero(grouped.looks == number) for number in range(count)]
    looks = []
    for members, words in zip(members_of, look_words(vectors, members_of), strict=True):
        typical = members[np.argsort(grouped.distances[members], kind="stable")]
        own = [records[index] for index in members.tolist()]
        looks.append(
            Look(
                words=", ".join([*_plane(own), words]),
                images={name: int((labels[members] == name).sum()) for name in classes},
                groups=_groups(labels[members], numbers[members], classes),
                tags=_tags(own),
                examples=_examples(typical, numbers, records, config),
            )
        )
    by_class = {
        name: one.model_copy(
            update={"steady": steady.told[name].auc, "steady_low": steady.told[name].auc_low}
        )
        for name, one in told.told.items()
    }
    return told.model_copy(update={"looks": tuple(looks), "told": by_class})


def _groups(labels: Names, groups: Groups, classes: Sequence[str]) -> dict[str, int]:
    return {name: len(np.unique(groups[labels == name])) for name in classes}


def _plane(records: Sequence[ImageRecord]) -> list[str]:
    """The plane that most images say they are in."""
    counts = Counter(record.tags.plane for record in records)
    plane, count = counts.most_common(1)[0]
    return [plane] if plane and count >= _MOSTLY * len(records) else []


def _tags(records: Sequence[ImageRecord]) -> dict[str, dict[str, int]]:
    found = {}
    for tag in _TAGS:
        counts = Counter(
            str(value) for record in records if (value := getattr(record.tags, tag)) is not None
        )
        if counts:
            found[tag] = dict(
                sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_VALUES]
            )
    return found


def _examples(
    typical: Groups,
    groups: Groups,
    records: Sequence[ImageRecord],
    config: IngestConfig,
) -> tuple[str, ...]:
    """Small pictures of different groups, without what lies outside the head."""
    found: dict[int, str] = {}
    for index in typical[:_TRIED].tolist():
        group = int(groups[index])
        if group in found:
            continue
        try:
            pixels = read_picture(records[index], config)
        except RejectedImageError:  # changed since it was read: another one stands for the look
            continue
        found[group] = data_address(thumbnail(head_alone(pixels)[0], _SIDE))
        if len(found) == _EXAMPLES:
            break
    return tuple(found.values())
