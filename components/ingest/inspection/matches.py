"""Which images show one picture where they should not: across the split, or with two labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from components.ingest.records import ImageRecord
    from components.ingest.survey import Survey


@dataclass(frozen=True)
class CrossMatch:
    """A test image and the training image that is most like it.

    Attributes:
        test: Index of the test image's record.
        training: Index of the training image's record.
        correlation: Of the two signatures, in the best of eight orientations; 1.0 where the pixels
            are identical.
        exact: Whether the pixels are identical.
    """

    test: int
    training: int
    correlation: float
    exact: bool


def cross_matches(survey: Survey) -> tuple[CrossMatch, ...]:
    """Finds the best match in the original training folder of every test image that has one.

    Args:
        survey: The images and the pairs that were found among them.

    Returns:
        One match a test image, the most alike first.
    """
    training: dict[str, int] = {}
    tests: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(survey.records):
        if record.folder_split == "test":
            tests[record.picture].append(index)
        else:
            training.setdefault(record.picture, index)
    best = {
        picture: CrossMatch(-1, training[picture], 1.0, exact=True)
        for picture in tests
        if picture in training
    }
    for test, other, correlation in _pairs(survey):
        source = training.get(other)
        if source is None or test not in tests:
            continue
        if test not in best or (not best[test].exact and best[test].correlation < correlation):
            best[test] = CrossMatch(-1, source, correlation, exact=False)
    matches = [
        CrossMatch(index, match.training, match.correlation, match.exact)
        for picture, match in best.items()
        for index in tests[picture]
    ]
    return tuple(
        sorted(matches, key=lambda match: (not match.exact, -match.correlation, match.test))
    )


def _pairs(survey: Survey) -> list[tuple[str, str, float]]:
    """The pairs between different pictures, both ways round."""
    pairs = survey.grouping.pairs
    records = survey.records
    within = (pairs.first < len(records)) & (pairs.second < len(records))
    found = []
    for first, second, correlation in zip(
        pairs.first[within].tolist(),
        pairs.second[within].tolist(),
        pairs.correlation[within].tolist(),
        strict=True,
    ):
        one, other = records[first].picture, records[second].picture
        if one != other:
            found += [(one, other, correlation), (other, one, correlation)]
    return found


def groups_of_several(survey: Survey) -> list[list[int]]:
    """Finds the groups that hold more than one image of the folder.

    Args:
        survey: The images and their groups.

    Returns:
        Indices of the records of each group, the largest group first.
    """
    ids = np.asarray(survey.grouping.groups)[: len(survey.records)]
    _, numbers, sizes = np.unique(ids, return_inverse=True, return_counts=True)
    order = np.argsort(numbers, kind="stable")
    members = np.split(order, np.cumsum(sizes)[:-1])
    return sorted(
        (group.tolist() for group in members if len(group) > 1), key=lambda group: -len(group)
    )


def label_conflicts(
    records: Sequence[ImageRecord], groups: Sequence[Sequence[int]]
) -> list[list[int]]:
    """The groups whose images carry different labels.

    Args:
        records: All images.
        groups: Indices of the images of each group.

    Returns:
        Those groups; each begins with one image of every label that it has.
    """
    conflicts = []
    for group in groups:
        by_label: dict[str, list[int]] = defaultdict(list)
        for index in group:
            by_label[records[index].label].append(index)
        if len(by_label) > 1:
            first = [members[0] for members in by_label.values()]
            rest = [index for members in by_label.values() for index in members[1:]]
            conflicts.append(first + rest)
    return conflicts
