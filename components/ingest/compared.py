"""Which pictures earlier ingestions compared with each other, so that none is compared twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.ingest.config import DuplicatesConfig
from components.ingest.duplicates import (
    Indices,
    Pairs,
    Signatures,
    find_pairs,
    is_exact,
    merge,
    no_pairs,
)

COMPARED_FILE = "compared.npz"


@dataclass(frozen=True)
class Compared:
    """Pictures of which every pair that was found is known.

    Attributes:
        pictures: Digests of their pixels.
        pairs: The pairs of them that match, as indices.
        threshold: The least correlation of a pair.
        exact: Whether no pair was missed.
    """

    pictures: tuple[str, ...] = ()
    pairs: Pairs = field(default_factory=no_pairs)
    threshold: float = 0.0
    exact: bool = True

    def write(self, folder: Path) -> None:
        """Writes it into a folder."""
        np.savez_compressed(
            folder / COMPARED_FILE,
            pictures=np.array([picture.encode() for picture in self.pictures], bytes),
            threshold=self.threshold,
            exact=self.exact,
            **vars(self.pairs),
        )

    @staticmethod
    def read(folder: Path) -> "Compared":
        """Reads what `write` wrote; nothing where it is missing."""
        try:
            file = np.load(folder / COMPARED_FILE)
        except FileNotFoundError:
            return Compared()
        with file:
            return Compared(
                tuple(picture.decode() for picture in file["pictures"].tolist()),
                Pairs(file["first"], file["second"], file["correlation"]),
                float(file["threshold"]),
                bool(file["exact"]),
            )


def compare(
    digests: Sequence[str], signatures: Signatures, before: Compared, config: DuplicatesConfig
) -> tuple[Pairs, Indices, Compared]:
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
    others = before.threshold != config.threshold
    if others or (is_exact(len(rows), len(rows), config) and not before.exact):
        before = Compared()  # this search would find other pairs
    row_of = dict(zip(names.tolist(), places.tolist(), strict=True))
    row = np.array([row_of.get(picture, -1) for picture in before.pictures], np.int64)
    first, second = row[before.pairs.first], row[before.pairs.second]
    here = (first >= 0) & (second >= 0)
    known = Pairs(first[here], second[here], before.pairs.correlation[here])
    new = np.setdiff1d(rows, row)
    pairs = merge([known, find_pairs(signatures, config, rows, new)], len(signatures))
    compared = Compared(
        tuple(names.tolist()),
        Pairs(pictures[pairs.first], pictures[pairs.second], pairs.correlation),
        config.threshold,
        is_exact(len(new), len(rows), config) and (before.exact or len(new) == len(rows)),
    )
    return pairs, pictures, compared
