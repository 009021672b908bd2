"""One answer for a volume, from those for its slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from components.reasons import SEPARATOR

INSIDE = 0.25
"""A slice counts if its head is at least this share of the largest head in the file: at the crown
and below the chin, slices show next to nothing of a brain."""
DIFFERENT = "its slices differ"


class SliceAnswer(Protocol):
    """What a model says of a slice."""

    @property
    def label(self) -> str | None:
        """The likeliest class."""

    @property
    def probabilities(self) -> dict[str, float] | None:
        """Probability by class name."""

    @property
    def in_distribution(self) -> bool | None:
        """Whether the slice looks like what the model was trained on."""

    @property
    def refer(self) -> bool | None:
        """Whether a person must decide."""

    @property
    def reasons(self) -> str | None:
        """Why."""


@dataclass(frozen=True)
class VolumeAnswer:
    """What is said of a volume.

    Attributes:
        label: The class of the greatest mean probability.
        confidence: That mean.
        probabilities: The mean by class name.
        in_distribution: Whether most of the slices that count look like what the model was trained
            on; None if the model does not say.
        refer: Whether a person must decide: one of these slices says so, or they differ.
        reasons: Why, in words; empty if nobody has to.
        slices: How many slices were judged.
        of: How many of them count.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool | None
    refer: bool
    reasons: str
    slices: int
    of: int

    @property
    def words(self) -> str:
        """How the answer came about, in a sentence or two."""
        return in_words(self.of)


def in_words(of: int) -> str:
    """Says how the answer for a volume came about.

    Args:
        of: How many slices count.
    """
    counted = "1 slice that shows" if of == 1 else f"{of:,} slices that show"
    return (
        f"Mean of the probabilities over the {counted} enough of the head. It is not calibrated, "
        "and a lesion in few slices may not show in it: look at the slices."
    )


def inside(heads: Sequence[float]) -> list[bool]:
    """Tells which slices of a volume count for its answer.

    Args:
        heads: How much of each slice the head takes up, 0 to 1; 0 where none can be told.

    Returns:
        Whether each counts; all do where no head can be told in any.
    """
    least = INSIDE * max(heads, default=0.0)
    return [head >= least for head in heads]


def pool(answers: Sequence[SliceAnswer], heads: Sequence[float]) -> VolumeAnswer | None:
    """Makes one answer of those for slices, until there is a calibrated way.

    Args:
        answers: What the model says of each slice that it could judge.
        heads: As in `inside`, of the same slices.

    Returns:
        The answer; None if no slice was judged.
    """
    counted = [one for one, counts in zip(answers, inside(heads), strict=True) if counts]
    found = [one.probabilities for one in counted if one.probabilities is not None]
    if not found:
        return None
    names = list(found[0])
    means = np.mean([[one.get(name, 0.0) for name in names] for one in found], axis=0)
    probabilities = {name: float(mean) for name, mean in zip(names, means, strict=True)}
    label = max(probabilities, key=lambda name: probabilities[name])
    known = [one.in_distribution for one in counted if one.in_distribution is not None]
    reasons = [DIFFERENT] if len({one.label for one in counted}) > 1 else []
    for one in counted:
        reasons += (one.reasons or "").split(SEPARATOR)
    said = [reason for reason in dict.fromkeys(reasons) if reason]
    return VolumeAnswer(
        label=label,
        confidence=probabilities[label],
        probabilities=probabilities,
        in_distribution=2 * sum(known) >= len(known) if known else None,
        refer=DIFFERENT in said or any(one.refer for one in counted),
        reasons=SEPARATOR.join(said),
        slices=len(answers),
        of=len(counted),
    )
