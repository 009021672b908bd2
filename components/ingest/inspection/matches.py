"""Which images show one picture where they should not: across the split, or with two labels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    @property
    def likeness(self) -> str:
        """The correlation in words, rounded down: only identical pixels are wholly alike."""
        return "identical" if self.exact else f"{math.floor(1000 * self.correlation) / 1000:.3f}"


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
    best = {picture: (1.0, True, training[picture]) for picture in tests if picture in training}
    for test, other, correlation in _pairs(survey):
        if test in tests and other in training:
            found = correlation, False, training[other]
            # Of equals the one that was found first.
            best[test] = max(best.get(test, found), found, key=lambda one: (one[1], one[0]))
    matches = [
        CrossMatch(index, source, correlation, exact)
        for picture, (correlation, exact, source) in best.items()
        for index in tests[picture]
    ]
    return tuple(
        sorted(matches, key=lambda match: (not match.exact, -match.correlation, match.test))
    )


def _pairs(survey: Survey) -> Iterator[tuple[str, str, float]]:
    """The pairs between different pictures, both ways round."""
    pairs, records = survey.grouping.pairs, survey.records
    within = (pairs.first < len(records)) & (pairs.second < len(records))
    columns = (column[within].tolist() for column in vars(pairs).values())
    for first, second, correlation in zip(*columns, strict=True):
        one, other = records[first].picture, records[second].picture
        if one != other:
            yield one, other, correlation
            yield other, one, correlation


def groups_of_several(survey: Survey) -> list[list[int]]:
    """Finds the groups that hold more than one image of the folder.

    Args:
        survey: The images and their groups.

    Returns:
        Indices of the records of each group, the largest group first.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(survey.grouping.groups[: len(survey.records)]):
        members[group].append(index)
    return sorted((group for group in members.values() if len(group) > 1), key=len, reverse=True)


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
        first: dict[str, int] = {}
        for index in group:
            first.setdefault(records[index].label, index)
        if len(first) > 1:
            shown = list(first.values())
            conflicts.append(shown + [index for index in group if index not in shown])
    return conflicts
