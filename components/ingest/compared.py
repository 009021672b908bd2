"""Which pictures earlier ingestions compared with each other, so that none is compared twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.ingest.config import DuplicatesConfig
from components.ingest.duplicates import (
    Pairs,
    Signatures,
    find_pairs,
    is_exact,
    merge,
    no_pairs,
)

COMPARED_FILE = "compared.npz"

Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Compared:
    """Pictures of which every pair that was found is known.

    Attributes:
        pictures: Digests of their pixels.
        pairs: The pairs of them that match, as indices.
        threshold: The least correlation of a pair.
        exact: Whether no pair was missed.
    """

    pictures: tuple[str, ...]
    pairs: Pairs
    threshold: float
    exact: bool

    @staticmethod
    def nothing() -> "Compared":
        """No picture."""
        return Compared((), no_pairs(), 0.0, exact=True)

    def write(self, folder: Path) -> None:
        """Writes it into a folder."""
        np.savez_compressed(
            folder / COMPARED_FILE,
            pictures=np.array([picture.encode() for picture in self.pictures], bytes),
            first=self.pairs.first,
            second=self.pairs.second,
            correlation=self.pairs.correlation,
            threshold=self.threshold,
            exact=self.exact,
        )

    @staticmethod
    def read(folder: Path) -> "Compared":
        """Reads what `write` wrote; nothing where it is missing."""
        try:
            file = np.load(folder / COMPARED_FILE)
        except FileNotFoundError:
            return Compared.nothing()
        with file:
            return Compared(
                tuple(picture.decode() for picture in file["pictures"].tolist()),
                Pairs(file["first"], file["second"], file["correlation"]),
                float(file["threshold"]),
                bool(file["exact"]),
            )


def compare(
    digests: Sequence[str], signatures: Signatures, before: Compared, config: DuplicatesConfig
) -> tuple[Pairs, Numbers, Compared]:
    """Compares every picture with every other, unless they were compared before.

    What comes out is what a search among all of them would find.

    Args:
        digests: Of the images' pixels.
        signatures: Of the same images, int8 [images, 80, 80].
        before: What is remembered.
        config: When two images count as the same picture.

    Returns:
        The pairs of images, of identical ones the first; int64 [images], equal numbers for
        identical pixels; and what to remember.
    """
    names, places, pictures = np.unique(digests, return_index=True, return_inverse=True)
    rows = np.sort(places)
    remembered, was = _among(before, [digests[row] for row in rows.tolist()], config)
    new = rows[~was]
    found = find_pairs(signatures, config, rows, new)
    old = Pairs(
        rows[remembered.first].astype(np.int32),
        rows[remembered.second].astype(np.int32),
        remembered.correlation,
    )
    pairs = merge([old, found], len(signatures))
    compared = Compared(
        tuple(names.tolist()),
        Pairs(
            pictures[pairs.first].astype(np.int32),
            pictures[pairs.second].astype(np.int32),
            pairs.correlation,
        ),
        config.threshold,
        is_exact(len(new), len(rows), config) and (before.exact or not was.any()),
    )
    return pairs, pictures, compared


def _among(
    before: Compared, pictures: Sequence[str], config: DuplicatesConfig
) -> tuple[Pairs, np.ndarray[Any, np.dtype[np.bool_]]]:
    """The remembered pairs of some pictures, as indices into them, and which were compared.

    None are where this search would find others.
    """
    count = len(pictures)
    was = np.zeros(count, bool)
    others = before.threshold != config.threshold
    if others or (is_exact(count, count, config) and not before.exact):
        return no_pairs(), was
    places = {picture: place for place, picture in enumerate(pictures)}
    place = np.array([places.get(picture, -1) for picture in before.pictures], np.int64)
    was[place[place >= 0]] = True
    first, second = place[before.pairs.first], place[before.pairs.second]
    here = (first >= 0) & (second >= 0)
    pairs = Pairs(
        first[here].astype(np.int32), second[here].astype(np.int32), before.pairs.correlation[here]
    )
    return pairs, was
