"""Samples of images: drawn by what is in them, class by class, never taken from the front."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Mapping
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class StratifiedSample(Generic[_Item]):
    """Draws some of the images that pass by, and holds no more than may still be drawn.

    Each class gets its share of the sample, and one image at least, as far as there is room. Which
    images of a class are drawn follows from the seed and their content: the same images give the
    same sample, in whatever order they come.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        """Prepares an empty sample.

        Args:
            count: How many images, at most.
            seed: Another seed draws others.
        """
        self._count = count
        self._seed = str(seed).encode()
        self._sizes: Counter[int] = Counter()
        self._least: dict[int, list[tuple[int, int, _Item]]] = {}

    def offer(self, content: bytes, label: int, item: _Item) -> None:
        """Shows an image.

        Args:
            content: The image, or a digest of it.
            label: Its class index, or -1.
            item: What the sample holds of it.
        """
        key = int.from_bytes(hashlib.sha256(self._seed + content).digest(), "big")
        self._sizes[label] += 1
        kept = self._least.setdefault(label, [])
        entry = (-key, self._sizes.total(), item)
        if len(kept) < self._count:
            heapq.heappush(kept, entry)
        elif kept:
            heapq.heappushpop(kept, entry)

    def drawn(self) -> list[_Item]:
        """The sample, its classes mixed."""
        chosen = []
        for label, share in _shares(self._sizes, self._count).items():
            chosen += heapq.nlargest(share, self._least[label])
        return [item for _, _, item in sorted(chosen, reverse=True)]


def _shares(sizes: Mapping[int, int], count: int) -> dict[int, int]:
    """How many of each class: one, then in proportion (by the method of Webster)."""
    shares = dict.fromkeys(sorted(sizes), 0)
    for _ in range(min(count, sum(sizes.values()))):
        open_ = [label for label, share in shares.items() if share < sizes[label]]
        without = [label for label in open_ if not shares[label]]
        next_ = max(without or open_, key=lambda label: sizes[label] / (2 * shares[label] + 1))
        shares[next_] += 1
    return shares
