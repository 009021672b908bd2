"""Which labels are most probably wrong, from matches that disagree and from probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.audit.folds import Labels, Probabilities
from components.ingest.duplicates import Pairs

CONFLICT = "same picture under another label"
"""At least as many of an image's matches, itself included, have another label as have its own."""
UNLIKELY = "looks like another class"
"""The classifier, which has not seen the image, finds another class likelier than the label."""

_Counts = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Ranked:
    """An image, and what speaks against its label.

    Attributes:
        index: Of its record.
        label: Index of the class that it has.
        suggested: Index of the class that it may be instead; None where nothing is suggested.
        score: Probability of the label.
        probability: Of the suggested class, or of the label where nothing is suggested.
        reason: `CONFLICT`, `UNLIKELY`, or empty.
        matches: Indices of the images that show the same picture under another label.
    """

    index: int
    label: int
    suggested: int | None
    score: float
    probability: float
    reason: str = ""
    matches: tuple[int, ...] = ()


def rank(labels: Labels, probabilities: Probabilities, pairs: Pairs) -> tuple[Ranked, ...]:
    """Puts images in order, the most suspicious label first.

    First come pictures that the folder has under several labels, whatever the classifier says of
    them, then the images that look like another class, then the rest; each by the probability of
    its label. Confident learning (Northcutt et al., 2021), which counts by thresholds of each class
    how many labels are wrong, hardly finds more: docs/audit.md has the figures.

    Args:
        labels: int64 [images], indices of classes.
        probabilities: float64 [images, classes], of images that the classifier was not fitted to.
        pairs: Images that show the same picture; those beyond the last image are passed over.

    Returns:
        All images.
    """
    rows = np.arange(len(labels))
    scores = probabilities[rows, labels]
    votes = _votes(labels, probabilities.shape[1], pairs)
    own = votes[rows, labels]
    others = votes.copy()
    others[rows, labels] = 0
    conflicts = (others.max(axis=1) >= own) & (others.max(axis=1) > 0)
    likeliest = probabilities.argmax(axis=1)
    ballots = others + probabilities  # of classes with as many votes the likelier one wins
    ballots[rows, labels] = -1
    voted = ballots.argmax(axis=1)
    matches = _other_labels(labels, pairs, set(np.flatnonzero(conflicts).tolist()))
    found = []
    unlikely = likeliest != labels
    for row in np.lexsort((rows, scores, ~unlikely, ~conflicts)).tolist():
        if conflicts[row]:
            suggested, reason = int(voted[row]), CONFLICT
        elif unlikely[row]:
            suggested, reason = int(likeliest[row]), UNLIKELY
        else:
            suggested, reason = None, ""
        shown = labels[row] if suggested is None else suggested
        found.append(
            Ranked(
                index=row,
                label=int(labels[row]),
                suggested=suggested,
                score=float(scores[row]),
                probability=float(probabilities[row, shown]),
                reason=reason,
                matches=tuple(matches.get(row, ())),
            )
        )
    return tuple(found)


def _votes(labels: Labels, class_count: int, pairs: Pairs) -> _Counts:
    """How many of an image's matches, itself included, have each label; int64 [images, classes]."""
    votes = np.zeros((len(labels), class_count), np.int64)
    votes[np.arange(len(labels)), labels] = 1
    first, second = _within(pairs, len(labels))
    np.add.at(votes, (first, labels[second]), 1)
    np.add.at(votes, (second, labels[first]), 1)
    return votes


def _other_labels(labels: Labels, pairs: Pairs, wanted: set[int]) -> dict[int, list[int]]:
    """The matches that have another label, of the images that are asked about."""
    found: dict[int, list[int]] = {}
    first, second = _within(pairs, len(labels))
    differ = labels[first] != labels[second]
    for one, other in zip(first[differ].tolist(), second[differ].tolist(), strict=True):
        for here, there in ((one, other), (other, one)):
            if here in wanted:
                found.setdefault(here, []).append(there)
    return found


def _within(pairs: Pairs, count: int) -> Sequence[Any]:
    within = (pairs.first < count) & (pairs.second < count)
    return pairs.first[within], pairs.second[within]
