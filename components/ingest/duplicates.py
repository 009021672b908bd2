"""Which images show the same picture: near duplicates by signature, and the groups they make.

Two signatures are compared by their correlation in the best of the eight orientations that flips
and 90-degree rotations give. In the cosine transform (DCT-II) a flip only changes the signs of the
odd coefficients and a transposition only swaps the axes, so the correlations of all orientations
come from the same few products of the four parts with even or odd rows and columns. Most of a
signature lies in its lowest frequencies: what those leave open is bounded by the product of the
norms of the rests (Cauchy and Schwarz). So one short matrix product a pair rules out all but a few
pairs, without missing any, and only those are compared in full.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from components.ingest.config import DuplicatesConfig
from components.ingest.spectra import orientations, spectra_of, transposed
from components.progress import told

_BLOCK = 384
"""Images a side of one matrix product."""
_ROUNDING = 1e-4
"""Slack of the bound, far above float32's errors."""
_LEAST_INDEXED = 1000
"""Images: an index over fewer has nothing to learn its lists from."""
_LISTS_SEARCHED = 8
"""Of the index's lists, for each image and orientation."""
_FULLY = 256
"""Pairs of one image that are compared in full at a time."""
_MOST_PARTNERS = 500
"""An image with this many matches is not compared further: memory stays bounded on any data."""
_COMPLETE = 32
"""Sets of identical pictures up to this size are listed pair by pair, larger ones as a star."""
_CUTTABLE = 50
"""Images: no smaller group counts as chained together."""
_CUTS = 10
"""Steps from the threshold to 1 in which a chain is taken apart."""

_LOG = logging.getLogger(__name__)

Indices = np.ndarray[Any, np.dtype[np.int64]]
Signatures = np.ndarray[Any, np.dtype[np.int8]]
_Floats = np.ndarray[Any, np.dtype[np.float32]]
_Proposals = Callable[[range, float], Iterator[tuple[Indices, Indices]]]
"""From a block of images and the threshold, pairs that may reach it, in batches, the smaller first.
"""


@dataclass(frozen=True)
class Pairs:
    """Unordered pairs of images that match.

    Attributes:
        first: int64 [pairs], index of an image.
        second: int64 [pairs], index of a later image.
        correlation: float32 [pairs], in the best of eight orientations; 1.0 for identical pixels.
    """

    first: Indices
    second: Indices
    correlation: _Floats


@dataclass(frozen=True)
class Grouping:
    """Which images belong together.

    Attributes:
        groups: The group of each image: a digest that depends on the pictures in it alone, neither
            on names nor on order.
        pairs: All found pairs, identical pictures included, and those that lie between two groups
            because a chain was cut there.
    """

    groups: tuple[str, ...]
    pairs: Pairs


def is_exact(new: int, count: int, config: DuplicatesConfig) -> bool:
    """Whether a search compares every pair.

    It does where these are no more than among `config.exact_up_to` images.

    Args:
        new: Images that are compared with each other and with the rest.
        count: All images, those included.
        config: Up to how many images the search is exact.
    """
    return new * (2 * count - new) <= max(config.exact_up_to, _LEAST_INDEXED) ** 2


def find_pairs(
    signatures: Signatures,
    config: DuplicatesConfig,
    rows: Indices | None = None,
    new: Indices | None = None,
) -> Pairs:
    """Finds the near duplicates.

    Where `is_exact`, no pair at or over the threshold is missed; beyond it, an approximate index
    proposes the pairs. Every returned pair was compared in full. Signatures that are zero match
    nothing.

    Args:
        signatures: int8 [images, 80, 80], see `imaging.signature`.
        config: The threshold, and up to how many images the search is exact.
        rows: The images to compare, ascending; all if None.
        new: Those of `rows`, ascending, of which pairs are wanted, with each other and with the
            rest; all if None.

    Returns:
        The pairs, sorted.
    """
    from threadpoolctl import threadpool_limits

    rows = np.arange(len(signatures)) if rows is None else rows
    new = rows if new is None else new
    count, fresh = len(rows), len(new)
    rows = np.concatenate([new, np.setdiff1d(rows, new, assume_unique=True)])
    spectra = spectra_of(signatures, rows)
    exact = is_exact(fresh, count, config)
    propose = _rule_out(spectra) if exact else _ask_index(spectra, fresh)

    def search(block: range) -> Pairs:
        proposals = propose(block, config.threshold)
        return _confirmed(signatures, rows, proposals, config.threshold)

    blocks = [*_blocks(0, fresh), *([] if exact else _blocks(fresh, count))]
    # Many small matrix products: one a thread is faster than all threads on each.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(told(pool.map(search, blocks), len(blocks), "comparing images"))
    pairs = merge(found, len(signatures))
    if np.bincount(pairs.first, minlength=1).max() >= _MOST_PARTNERS:
        _LOG.warning("some images have %d or more near duplicates", _MOST_PARTNERS)
    return pairs


def group_images(
    pictures: Sequence[str],
    patients: Sequence[str | None],
    pairs: Pairs,
    config: DuplicatesConfig,
) -> Grouping:
    """Joins the images that match, directly or through others, into groups.

    Identical pictures and images of one patient always stay together. A group that holds more than
    `config.max_group_share` of all images is a chain of lookalikes: its weakest pairs are cut, step
    by step, until its parts are small enough.

    Args:
        pictures: For each image, the digest of its pixels.
        patients: For each image, what links it to others beyond its looks, or None.
        pairs: The near duplicates.
        config: The threshold, and the largest share of the images that a group may hold.

    Returns:
        The groups, and all pairs, cut ones included.
    """
    count = len(pictures)
    identical = _identical_pairs(pictures)
    fixed = np.concatenate([_chains(pictures), _chains(patients)], axis=1)
    most = max(_CUTTABLE, config.max_group_share * count)
    kept = np.ones(len(pairs.first), bool)
    near = np.stack([pairs.first, pairs.second])
    labels = join(np.concatenate([fixed, near], axis=1), count)
    for cut in np.linspace(config.threshold, 1, _CUTS, endpoint=False)[1:]:
        oversized = (np.bincount(labels) > most)[labels]
        kept &= ~(oversized[pairs.first] & (pairs.correlation < cut))
        labels = join(np.concatenate([fixed, near[:, kept]], axis=1), count)
    return Grouping(_group_names(pictures, labels), merge([identical, pairs], count))


def _blocks(start: int, end: int) -> list[range]:
    return [range(first, min(first + _BLOCK, end)) for first in range(start, end, _BLOCK)]


def _rule_out(spectra: _Floats) -> _Proposals:
    """Compares a block with itself and all that comes behind it: which pairs may match."""

    def propose(block: range, threshold: float) -> Iterator[tuple[Indices, Indices]]:
        rows = spectra[block.start : block.stop]
        for other in range(block.start, len(spectra), _BLOCK):
            columns = spectra[other : other + _BLOCK]
            bound = np.maximum(_bound(rows, columns), _bound(rows, transposed(columns)))
            first, second = np.nonzero(bound >= threshold - _ROUNDING)
            wanted = first + block.start < second + other
            yield first[wanted] + block.start, second[wanted] + other

    return propose


def _bound(rows: _Floats, columns: _Floats) -> _Floats:
    """The most that two signatures may correlate in one of four flips, float32 [rows, columns]."""
    rows = rows.reshape(len(rows), 4, -1).transpose(1, 0, 2)
    columns = columns.reshape(len(columns), 4, -1).transpose(1, 2, 0)
    even, odd, across, down = rows @ columns
    same = np.abs(across + down)  # in place from here on: each line is a pass over the block
    same += odd
    opposite = np.abs(np.subtract(across, down, out=across), out=across)
    opposite -= odd
    bound: _Floats = np.add(even, np.maximum(same, opposite, out=same), out=even)
    return bound


def _ask_index(spectra: _Floats, fresh: int) -> _Proposals:
    """Builds an inverted-file index, which proposes pairs in any orientation.

    It is asked for all products at or over the threshold, which is what `_bound` is compared with:
    what it misses are images in lists that are not searched. Each of two images has lists of its
    own, so both ask, and a pair that either finds is proposed.

    Args:
        spectra: Of all images, the new ones first.
        fresh: How many are new; the others ask for these alone.
    """
    # It tells everyone which variants of itself it tries.
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
    import faiss

    count, size = len(spectra), spectra[0].size
    vectors = spectra.reshape(count, size)
    lists = min(round(4 * count**0.5), count // 39)  # faiss wants 39 images a list to learn from
    everyone = faiss.IndexIVFFlat(faiss.IndexFlatIP(size), size, lists, faiss.METRIC_INNER_PRODUCT)
    generator = np.random.default_rng(0)
    everyone.train(vectors[np.sort(generator.permutation(count)[: 64 * lists])])
    everyone.nprobe = min(lists, _LISTS_SEARCHED)
    newcomers = faiss.clone_index(everyone)
    everyone.add(vectors)
    newcomers.add(vectors[: fresh if fresh < count else 0])

    def propose(block: range, threshold: float) -> Iterator[tuple[Indices, Indices]]:
        faiss.omp_set_num_threads(1)  # of this thread: the others have blocks of their own
        index = everyone if block.start < fresh else newcomers
        queries = spectra[block.start : block.stop]
        found = []
        for oriented in orientations(queries):
            limits, _, hits = index.range_search(oriented.reshape(-1, size), threshold - _ROUNDING)
            asked = np.repeat(np.arange(len(queries)), np.diff(limits.astype(np.int64)))
            asked += block.start
            pairs = np.minimum(asked, hits) * count + np.maximum(asked, hits)
            found.append(pairs[asked != hits])
        yield np.divmod(np.unique(np.concatenate(found)), count)

    return propose


def _confirmed(
    signatures: Signatures,
    rows: Indices,
    proposals: Iterator[tuple[Indices, Indices]],
    threshold: float,
) -> Pairs:
    """Compares the proposed pairs of one block of rows in full."""
    found = []
    partners = np.zeros(len(signatures), np.int32)
    for first, second in proposals:
        first, second = rows[first], rows[second]
        wanted = partners[first] < _MOST_PARTNERS
        first, second = first[wanted], second[wanted]
        correlation = _correlate(signatures, first, second)
        kept = correlation >= threshold
        found.append(Pairs(first[kept], second[kept], correlation[kept]))
        np.add.at(partners, first[kept], 1)
    return merge(found, len(signatures))


def _correlate(signatures: Signatures, first: Indices, second: Indices) -> _Floats:
    """The full correlation of each pair in its best orientation; pairs of one `first` are together.

    Sums of whole numbers, which float64 holds: the order in which images come changes nothing.
    """
    best = np.empty(len(first), np.float32)
    for start, end in pairwise([*np.flatnonzero(np.diff(first, prepend=-1)), len(first)]):
        image = signatures[first[start]].astype(np.float64)
        turned = [np.rot90(one, turns) for one in (image, image.T) for turns in range(4)]
        columns = np.stack(turned).reshape(len(turned), -1).T
        for some in range(start, end, _FULLY):
            part = slice(some, min(some + _FULLY, end))
            others = signatures[second[part]].reshape(part.stop - some, -1).astype(np.float64)
            norms = np.sqrt(np.einsum("nk,nk->n", others, others) * np.vdot(image, image))
            best[part] = (others @ columns).max(axis=1) / norms
    return np.minimum(best, 1)


def _identical_pairs(pictures: Sequence[str]) -> Pairs:
    """Pairs of identical pictures."""
    pairs = [np.empty((2, 0), np.int64)]
    for members in _members(pictures):
        few = members[:_COMPLETE]
        pairs.append(few[np.stack(np.triu_indices(len(few), 1))])
        pairs.append(np.stack(np.broadcast_arrays(few[0], members[_COMPLETE:])))
    first, second = np.concatenate(pairs, axis=1)
    return Pairs(first, second, np.ones(len(first), np.float32))


def _chains(keys: Sequence[str | None]) -> Indices:
    """Links that join the images of each key, int64 [2, links]."""
    links = [np.empty((2, 0), np.int64)]
    links += [np.stack([members[:-1], members[1:]]) for members in _members(keys)]
    return np.concatenate(links, axis=1)


def _members(keys: Sequence[str | None]) -> list[Indices]:
    """The images of each key that several have, in ascending order."""
    members: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key is not None:
            members.setdefault(key, []).append(index)
    return [np.array(several) for several in members.values() if len(several) > 1]


def join(links: Indices, count: int) -> Indices:
    """Joins what links connect, directly or through others.

    Args:
        links: int64 [2, links].
        count: Of what is linked.

    Returns:
        int64 [count]: equal numbers mean connected.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(links.shape[1], bool), (links[0], links[1])), (count, count))
    labels: Indices
    _, labels = connected_components(graph, directed=False)
    return labels


def _group_names(pictures: Sequence[str], labels: Indices) -> tuple[str, ...]:
    """Names each component after the smallest digest of its pictures."""
    smallest: dict[int, str] = {}
    for picture, label in zip(pictures, labels.tolist(), strict=True):
        smallest[label] = min(picture, smallest.get(label, picture))
    names = {
        label: hashlib.sha256(f"group {picture}".encode()).hexdigest()
        for label, picture in smallest.items()
    }
    return tuple(names[label] for label in labels.tolist())


def no_pairs() -> Pairs:
    """No pair."""
    return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def merge(several: Sequence[Pairs], count: int) -> Pairs:
    """Puts pairs together.

    Args:
        several: Pairs of the same images.
        count: How many images these are.

    Returns:
        All pairs once, sorted, the smaller index first; the first mention of a pair counts.
    """
    several = [no_pairs(), *several]
    first = np.concatenate([pairs.first for pairs in several])
    second = np.concatenate([pairs.second for pairs in several])
    correlation = np.concatenate([pairs.correlation for pairs in several])
    keys = np.minimum(first, second) * count + np.maximum(first, second)
    keys, positions = np.unique(keys, return_index=True)
    low, high = np.divmod(keys, max(count, 1))
    return Pairs(low, high, correlation[positions])
