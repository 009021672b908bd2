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
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from components.ingest.config import DuplicatesConfig
from imaging.signature import SIGNATURE_SHAPE

_LOW = 8
"""Even and odd frequencies along each axis that pairs are ruled out by."""
_BLOCK = 384
"""Images a side of one matrix product."""
_CHUNK = 64
"""Signatures that are held as float32 at a time."""
_ROUNDING = 1e-4
"""Slack of the bound, far above float32's errors."""
_LEAST_INDEXED = 1000
"""Images: an index over fewer has nothing to learn its lists from."""
_LISTS_SEARCHED = 8
"""Of the index's lists, for each image and orientation."""
_MOST_PARTNERS = 500
"""An image with this many matches is not compared further: memory stays bounded on any data."""
_COMPLETE = 32
"""Sets of identical pictures up to this size are listed pair by pair, larger ones as a star."""
_CUTTABLE = 50
"""Images: no smaller group counts as chained together."""
_CUTS = 10
"""Steps from the threshold to 1 in which a chain is taken apart."""
_SECONDS_BETWEEN_MESSAGES = 3.0

_LOG = logging.getLogger(__name__)

Indices = np.ndarray[Any, np.dtype[np.int32]]
Signatures = np.ndarray[Any, np.dtype[np.int8]]
_Floats = np.ndarray[Any, np.dtype[np.float32]]
_Positions = np.ndarray[Any, np.dtype[np.int64]]
_Proposals = Callable[[int, float], Iterator[tuple[_Positions, _Positions]]]
"""From the first image of a block and the threshold, pairs that may reach it, in batches."""


@dataclass(frozen=True)
class Pairs:
    """Unordered pairs of images that match.

    Attributes:
        first: int32 [pairs], index of an image.
        second: int32 [pairs], index of a later image.
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


def find_pairs(
    signatures: Signatures, config: DuplicatesConfig, rows: _Positions | None = None
) -> Pairs:
    """Finds the near duplicates.

    Up to `config.exact_up_to` images no pair at or over the threshold is missed; beyond it, an
    approximate index proposes the pairs. Every returned pair was compared in full. Signatures that
    are zero match nothing.

    Args:
        signatures: int8 [images, 80, 80], see `imaging.signature`.
        config: The threshold, and up to how many images the search is exact.
        rows: The images to compare, ascending; all if None.

    Returns:
        The pairs, sorted.
    """
    from threadpoolctl import threadpool_limits

    rows = np.arange(len(signatures)) if rows is None else rows
    count = len(rows)
    spectra = _spectra(signatures, rows)
    exact = count <= max(config.exact_up_to, _LEAST_INDEXED)
    propose = _rule_out(spectra) if exact else _ask_index(spectra)

    def search(start: int) -> Pairs:
        proposals = propose(start, config.threshold)
        return _confirmed(signatures, rows, proposals, config.threshold)

    starts = range(0, count, _BLOCK)
    progress = _Progress(len(starts))
    found = [_no_pairs()]
    # Many small matrix products: one a thread is faster than all threads on each.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for pairs in pool.map(search, starts):
            found.append(pairs)
            progress.step()
    pairs = _joined(found, len(signatures))
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
    labels = _components(np.concatenate([fixed, near], axis=1), count)
    for cut in np.linspace(config.threshold, 1, _CUTS, endpoint=False)[1:]:
        oversized = (np.bincount(labels) > most)[labels]
        kept &= ~(oversized[pairs.first] & (pairs.correlation < cut))
        labels = _components(np.concatenate([fixed, near[:, kept]], axis=1), count)
    return Grouping(_group_names(pictures, labels), _joined([identical, pairs], count))


def _spectra(signatures: Signatures, rows: _Positions) -> _Floats:
    """The lowest frequencies of some of the signatures, scaled to unit norm.

    Returns:
        float32 [rows, 4, 8, 8]: the coefficients that neither flip changes, that both change,
        that only the flip of the columns does, and that only the flip of the rows does. The first,
        which the mean would take, is the norm of all that is left out, so that no sum of products
        of two signatures is less than their correlation.
    """
    from scipy.fft import dct

    basis = dct(np.eye(SIGNATURE_SHAPE[0]), axis=0, norm="ortho")[: 2 * _LOW].astype(np.float32)
    out = np.empty((len(rows), 4, _LOW, _LOW), np.float32)
    for start in range(0, len(rows), _CHUNK):
        whole = signatures[rows[start : start + _CHUNK]].astype(np.float32)
        power = np.einsum("nij,nij->n", whole, whole)
        low = basis @ whole @ basis.T
        low[:, 0, 0] = 0
        rest = power - np.einsum("nij,nij->n", low, low)
        low[:, 0, 0] = np.sqrt(np.maximum(rest, 0))
        low /= np.sqrt(np.where(power > 0, power, 1))[:, None, None]
        parts = (low[:, ::2, ::2], low[:, 1::2, 1::2], low[:, ::2, 1::2], low[:, 1::2, ::2])
        out[start : start + _CHUNK] = np.stack(parts, axis=1)
    return out


def _rule_out(spectra: _Floats) -> _Proposals:
    """Compares all images, and proposes the pairs that may reach the threshold."""

    def propose(start: int, threshold: float) -> Iterator[tuple[_Positions, _Positions]]:
        rows = spectra[start : start + _BLOCK]
        for other in range(start, len(spectra), _BLOCK):
            columns = spectra[other : other + _BLOCK]
            bound = np.maximum(_bound(rows, columns), _bound(rows, _transposed(columns)))
            first, second = np.nonzero(bound >= threshold - _ROUNDING)
            yield first + start, second + other

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


def _transposed(spectra: _Floats) -> _Floats:
    """The spectra of the transposed signatures."""
    swapped: _Floats = spectra[:, [0, 1, 3, 2]].swapaxes(2, 3)
    return swapped


def _ask_index(spectra: _Floats) -> _Proposals:
    """Builds an inverted-file index, which proposes pairs in any orientation.

    It is asked for all products at or over the threshold, which is what `_bound` is compared with:
    what it misses are images in lists that are not searched.
    """
    # It tells everyone which variants of itself it tries.
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
    import faiss

    count, size = len(spectra), spectra[0].size
    vectors = spectra.reshape(count, size)
    lists = min(round(4 * count**0.5), count // 39)  # faiss wants 39 images a list to learn from
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(size), size, lists, faiss.METRIC_INNER_PRODUCT)
    generator = np.random.default_rng(0)
    index.train(vectors[np.sort(generator.permutation(count)[: 64 * lists])])
    index.add(vectors)
    index.nprobe = min(lists, _LISTS_SEARCHED)

    def propose(start: int, threshold: float) -> Iterator[tuple[_Positions, _Positions]]:
        faiss.omp_set_num_threads(1)  # of this thread: the others have blocks of their own
        queries = spectra[start : start + _BLOCK]
        found = []
        for oriented in _orientations(queries):
            limits, _, hits = index.range_search(oriented.reshape(-1, size), threshold - _ROUNDING)
            asked = np.repeat(np.arange(len(queries)), np.diff(limits.astype(np.int64)))
            found.append((asked + start) * count + hits)
        yield np.divmod(np.unique(np.concatenate(found)), count)

    return propose


def _orientations(spectra: _Floats) -> Iterator[_Floats]:
    """The spectra of the signatures in each of the eight orientations."""
    for turned in (spectra, _transposed(spectra)):
        for vertical, horizontal in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            signs = (1, vertical * horizontal, horizontal, vertical)
            yield turned * np.array(signs, np.float32)[:, None, None]


def _confirmed(
    signatures: Signatures,
    rows: _Positions,
    proposals: Iterator[tuple[_Positions, _Positions]],
    threshold: float,
) -> Pairs:
    """Compares the proposed pairs of one block of rows in full."""
    found = [_no_pairs()]
    partners = np.zeros(len(signatures), np.int32)
    for first, second in proposals:
        wanted = first < second
        first, second = rows[first[wanted]], rows[second[wanted]]
        wanted = partners[first] < _MOST_PARTNERS
        first, second = first[wanted], second[wanted]
        correlation = _correlate(signatures, first, second)
        kept = correlation >= threshold
        found.append(
            Pairs(first[kept].astype(np.int32), second[kept].astype(np.int32), correlation[kept])
        )
        np.add.at(partners, first[kept], 1)
    return _joined(found, len(signatures))


def _correlate(signatures: Signatures, first: _Positions, second: _Positions) -> _Floats:
    """The full correlation of each pair in its best orientation; `first` is in ascending order."""
    best = np.empty(len(first), np.float32)
    for start, end in pairwise([*np.flatnonzero(np.diff(first, prepend=-1)), len(first)]):
        image = signatures[first[start]].astype(np.float32)
        turned = [np.rot90(one, turns) for one in (image, image.T) for turns in range(4)]
        others = signatures[second[start:end]].reshape(end - start, -1).astype(np.float32)
        norms = np.sqrt(np.einsum("nk,nk->n", others, others) * np.vdot(image, image))
        products = others @ np.stack(turned).reshape(len(turned), -1).T
        best[start:end] = products.max(axis=1) / norms
    return np.minimum(best, 1)


def _identical_pairs(pictures: Sequence[str]) -> Pairs:
    """Pairs of identical pictures."""
    pairs = [np.empty((2, 0), np.int64)]
    for members in _members(pictures):
        few = members[:_COMPLETE]
        pairs.append(few[np.stack(np.triu_indices(len(few), 1))])
        pairs.append(np.stack(np.broadcast_arrays(few[0], members[_COMPLETE:])))
    first, second = np.concatenate(pairs, axis=1).astype(np.int32)
    return Pairs(first, second, np.ones(len(first), np.float32))


def _chains(keys: Sequence[str | None]) -> _Positions:
    """Links that join the images of each key, int64 [2, links]."""
    links = [np.empty((2, 0), np.int64)]
    links += [np.stack([members[:-1], members[1:]]) for members in _members(keys)]
    return np.concatenate(links, axis=1)


def _members(keys: Sequence[str | None]) -> list[_Positions]:
    """The images of each key that several have, in ascending order."""
    members: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key is not None:
            members.setdefault(key, []).append(index)
    return [np.array(several) for several in members.values() if len(several) > 1]


def _components(links: _Positions, count: int) -> _Positions:
    """The connected component of each image, int64 [images]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(links.shape[1], bool), (links[0], links[1])), (count, count))
    labels: _Positions
    _, labels = connected_components(graph, directed=False)
    return labels


def _group_names(pictures: Sequence[str], labels: _Positions) -> tuple[str, ...]:
    """Names each component after the smallest digest of its pictures."""
    smallest: dict[int, str] = {}
    for picture, label in zip(pictures, labels.tolist(), strict=True):
        smallest[label] = min(picture, smallest.get(label, picture))
    names = {
        label: hashlib.sha256(f"group {picture}".encode()).hexdigest()
        for label, picture in smallest.items()
    }
    return tuple(names[label] for label in labels.tolist())


def _no_pairs() -> Pairs:
    return Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


def _joined(several: Sequence[Pairs], count: int) -> Pairs:
    """All pairs once, sorted, the smaller index first; the first mention of a pair counts."""
    first = np.concatenate([pairs.first for pairs in several]).astype(np.int64)
    second = np.concatenate([pairs.second for pairs in several]).astype(np.int64)
    correlation = np.concatenate([pairs.correlation for pairs in several])
    keys = np.minimum(first, second) * count + np.maximum(first, second)
    keys, positions = np.unique(keys, return_index=True)
    low, high = np.divmod(keys, max(count, 1))
    return Pairs(low.astype(np.int32), high.astype(np.int32), correlation[positions])


class _Progress:
    """Says now and then how far the comparison is."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._told = time.monotonic()

    def step(self) -> None:
        self._done += 1
        if time.monotonic() - self._told >= _SECONDS_BETWEEN_MESSAGES:
            self._told = time.monotonic()
            _LOG.info("comparing images, %d%%", 100 * self._done // self._steps)
