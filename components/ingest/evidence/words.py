"""What sets a look apart from the folder's other images, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from components.ingest.evidence.levels import Groups
from imaging.appearance import NAMES, Vectors

_APART = 0.5
"""Standard deviations, of images, from the mean of all at which a look is called something."""
_MOST = 4
"""Words, those first that set it apart most."""
_STEADY = 1e-3
"""Deviation up to which images do not differ in what is measured."""

_Numbers = Callable[[str], Vectors]
"""The numbers of all images, by their name in `imaging.appearance.NAMES`."""

_WORDS: tuple[tuple[Callable[[_Numbers], Vectors], str, str], ...] = (
    (lambda of: _beside(of("ring 1"), _brain(of)), "dark rim", "bright rim"),
    (lambda of: _beside(of("ring 4"), of("ring 3")), "dark middle", "bright middle"),
    (lambda of: of("level 50 %"), "dark", "bright"),
    (lambda of: of("spread"), "little contrast", "much contrast"),
    (lambda of: of("black"), "", "cut to black"),
    (lambda of: of("white"), "", "cut to white"),
    (lambda of: of("height by width"), "wide", "upright"),
    (lambda of: _beside(of("fine detail"), of("coarse detail")), "blurred", "sharp or noisy"),
    (lambda of: of("border"), "framed tightly", "wide border"),
    (lambda of: of("resolution"), "low resolution", "high resolution"),
)
"""What is measured, and what it is called where it is small and where it is large."""


def look_words(vectors: Vectors, looks: Sequence[Groups]) -> list[str]:
    """Says of each look what sets it apart.

    Args:
        vectors: `imaging.appearance` of all images.
        looks: Indices of the images of each look.

    Returns:
        Words for each look, separated by commas.
    """
    measured = [measure(lambda name: vectors[:, NAMES.index(name)]) for measure, _, _ in _WORDS]
    apart = np.array(
        [
            [(values[look].mean() - values.mean()) / max(values.std(), _STEADY) for look in looks]
            for values in measured
        ]
    )
    return [", ".join(_named(column)) or "like most" for column in apart.T]


def _named(apart: Vectors) -> list[str]:
    named = [
        (_WORDS[index][2] if value > 0 else _WORDS[index][1], abs(value))
        for index, value in enumerate(apart.tolist())
        if abs(value) >= _APART
    ]
    ranked = sorted(named, key=lambda one: -one[1])
    return [words for words, _ in ranked if words][:_MOST]


def _brain(of: _Numbers) -> Vectors:
    mean: Vectors = (of("ring 2") + of("ring 3") + of("ring 4")) / np.float32(3)
    return mean


def _beside(one: Vectors, other: Vectors) -> Vectors:
    share: Vectors = one / np.maximum(other, np.float32(0.05))
    return share
