"""The duplicate search against an exhaustive comparison of the same images, in one run.

    bin/python -m benchmarks.duplicates [--quick] [--data FOLDER]

The exhaustive way correlates unquantised float32 signatures in all eight orientations, every pair.
The limit is a plain float32 matrix product on this machine. Copies of some of the images, changed
in one way each, show what a signature survives; images and copies together show what the
approximate index, which takes over beyond `exact_up_to`, finds of the pairs. They come in spans,
too, and the last ones are compared with what is remembered of the others, and anew. The last line
is one JSON object with the figures.
"""

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import add_data
from components.ingest.compared import Compared, compare
from components.ingest.config import DuplicatesConfig
from components.ingest.duplicates import Pairs, find_pairs, group_images
from imaging.reader import decode
from imaging.signature import signature, structure

_ORIENTATIONS = 8
_BLOCK = 1024
_COPIED = 10
"""Every tenth image is copied."""
_SPANS = 16

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Signatures = np.ndarray[Any, np.dtype[np.int8]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every eighth image")
    add_data(parser)
    arguments = parser.parse_args()
    paths = list(_image_files(arguments.data))[:: 8 if arguments.quick else 1]
    if not paths:
        sys.exit(f"There are no images in {arguments.data}: give another with --data.")
    figures = _measure(paths)
    for name, value in figures.items():
        print(f"{name:32} {value}")
    print(json.dumps(figures))


def _image_files(folder: Path) -> Iterator[Path]:
    for split in ("Training", "Testing"):
        yield from sorted(path for path in (folder / split).rglob("*") if path.is_file())


def _measure(paths: Sequence[Path]) -> dict[str, Any]:
    config = DuplicatesConfig()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = list(pool.map(_read, paths))
        start = time.perf_counter()
        signatures = np.stack(list(pool.map(signature, images)))
        signature_seconds = time.perf_counter() - start
        structures = np.stack(list(pool.map(structure, images)))
        copied = {
            name: np.stack([*pool.map(signature, pool.map(change, images[::_COPIED]))])
            for name, change in _CHANGES.items()
        }
    plain = _plain_gflops()
    start = time.perf_counter()
    fast = find_pairs(signatures, config)
    search_seconds = time.perf_counter() - start
    start = time.perf_counter()
    exhaustive = _compare_all(structures, config.threshold)
    exhaustive_seconds = time.perf_counter() - start

    is_test = np.array(["Testing" in path.parts for path in paths])
    return {
        "images": len(images),
        "signatures_per_second": round(len(images) / signature_seconds),
        "search_seconds": round(search_seconds, 2),
        "exhaustive_seconds": round(exhaustive_seconds, 2),
        "speedup": round(exhaustive_seconds / search_seconds, 1),
        "plain_gflops": round(plain, 1),
        **_limits(len(images), plain, search_seconds, exhaustive_seconds),
        **_agreement(fast, exhaustive, is_test),
        **_groups(fast, is_test, config),
        "copies_found": _copies_found(signatures[::_COPIED], copied, config),
        **_index_recall(np.concatenate([signatures, *copied.values()]), config),
        **_span_by_span(np.concatenate([signatures, *copied.values()]), config),
    }


def _read(path: Path) -> Pixels:
    return decode(path.read_bytes())


def _plain_gflops() -> float:
    """The fastest of some products of two float32 matrices."""
    side = 2048
    matrix = np.random.default_rng(0).standard_normal((side, side)).astype(np.float32)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        matrix @ matrix
        best = max(best, 2 * side**3 / (time.perf_counter() - start) / 1e9)
    return best


def _compare_all(structures: Floats, threshold: float) -> Pairs:
    """Every pair in every orientation, as plain matrix products."""
    count = len(structures)
    norms = np.linalg.norm(structures, axis=(1, 2), keepdims=True)
    unit = structures / np.where(norms > 0, norms, 1)
    rows = unit.reshape(count, -1)
    turned = [
        np.rot90(one, turns, (1, 2)).reshape(count, -1)
        for one in (unit, unit.swapaxes(1, 2))
        for turns in range(_ORIENTATIONS // 2)
    ]
    found = []
    for start in range(0, count, _BLOCK):
        best = np.max([rows[start : start + _BLOCK] @ one[start:].T for one in turned], axis=0)
        first, second = np.nonzero(np.triu(best >= threshold, 1))
        found.append((first + start, second + start, best[first, second]))
    first, second, correlation = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Pairs(first, second, correlation)


def _limits(
    count: int, plain: float, search_seconds: float, exhaustive_seconds: float
) -> dict[str, float]:
    """What the exhaustive products would take at the plain product's speed, and the share of it."""
    multiply_adds = count * (count - 1) / 2 * _ORIENTATIONS * 80 * 80
    limit = 2 * multiply_adds / plain / 1e9
    return {
        "exhaustive_limit_seconds": round(limit, 2),
        "exhaustive_share_of_limit": round(limit / exhaustive_seconds, 2),
        "search_times_faster_than_limit": round(limit / search_seconds, 1),
    }


def _agreement(fast: Pairs, exhaustive: Pairs, is_test: Flags) -> dict[str, Any]:
    """How the test images with a training match agree, and the pairs."""
    ours, theirs = _seen(fast, is_test), _seen(exhaustive, is_test)
    here, there = _by_pair(fast), _by_pair(exhaustive)
    both = here.keys() & there.keys()
    return {
        "test_images": int(is_test.sum()),
        "test_images_with_match": int(ours.sum()),
        "test_images_with_match_exhaustive": int(theirs.sum()),
        "recall": _share((ours & theirs).sum(), theirs.sum()),
        "precision": _share((ours & theirs).sum(), ours.sum()),
        "pairs": len(here),
        "pairs_recall": _share(len(both), len(there)),
        "pairs_precision": _share(len(both), len(here)),
        "largest_difference_by_int8": max((abs(here[p] - there[p]) for p in both), default=0.0),
    }


def _by_pair(pairs: Pairs) -> dict[tuple[int, int], float]:
    keys = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    return dict(zip(keys, pairs.correlation.tolist(), strict=True))


def _seen(pairs: Pairs, is_test: Flags) -> Flags:
    """Which test images match a training image."""
    across = is_test[pairs.first] != is_test[pairs.second]
    seen = np.zeros(len(is_test), bool)
    seen[pairs.first[across]] = seen[pairs.second[across]] = True
    return seen & is_test


def _groups(pairs: Pairs, is_test: Flags, config: DuplicatesConfig) -> dict[str, int]:
    """Groups, where every image counts as another picture."""
    names = [str(index) for index in range(len(is_test))]
    groups = np.array(group_images(names, [None] * len(names), pairs, config).groups)
    touched = np.isin(groups, groups[is_test])
    return {
        "groups": len(np.unique(groups)),
        "largest_group": int(np.unique(groups, return_counts=True)[1].max()),
        "training_images_in_test_groups": int((touched & ~is_test).sum()),
    }


def _copies_found(
    sources: Signatures, copied: dict[str, Signatures], config: DuplicatesConfig
) -> dict[str, float]:
    """The share of copies that match their own source, by change."""
    count = len(sources)
    shares = {}
    for name, copies in copied.items():
        pairs = find_pairs(np.concatenate([sources, copies]), config)
        found = (pairs.second - pairs.first == count).sum()
        shares[name] = _share(found, count)
    return shares


def _index_recall(signatures: Signatures, config: DuplicatesConfig) -> dict[str, Any]:
    """Which share of the exact pairs the approximate index finds."""
    exact = find_pairs(signatures, config.model_copy(update={"exact_up_to": len(signatures)}))
    start = time.perf_counter()
    approximate = find_pairs(signatures, config.model_copy(update={"exact_up_to": 0}))
    seconds = time.perf_counter() - start
    here, there = _by_pair(approximate), _by_pair(exact)
    return {
        "index_images": len(signatures),
        "index_seconds": round(seconds, 2),
        "index_recall": _share(len(here.keys() & there.keys()), len(there)),
    }


def _span_by_span(signatures: Signatures, config: DuplicatesConfig) -> dict[str, Any]:
    """What the second half's and the whole's last span cost, remembered and anew."""
    digests = [f"{index:08}" for index in range(len(signatures))]
    ends = [len(signatures) * span // _SPANS for span in range(1, _SPANS + 1)]
    before, seconds, anew, agree = Compared(), [], [], True
    for end in ends:
        start = time.perf_counter()
        pairs, _, before = compare(digests[:end], signatures[:end], before, config)
        seconds.append(time.perf_counter() - start)
        if end in (ends[_SPANS // 2 - 1], ends[-1]):
            start = time.perf_counter()
            expected, _, _ = compare(digests[:end], signatures[:end], Compared(), config)
            anew.append(time.perf_counter() - start)
            agree &= _by_pair(pairs) == _by_pair(expected)
    half, last = seconds[_SPANS // 2 - 1], seconds[-1]
    return {
        "span_images": ends[0],
        "last_span_seconds": round(last, 2),
        "last_span_anew_seconds": round(anew[1], 2),
        "last_span_speedup": round(anew[1] / last, 1),
        "twice_the_history_times_as_long": round(last / half, 1),
        "twice_the_history_anew_times_as_long": round(anew[1] / anew[0], 1),
        "same_pairs_as_anew": agree,
    }


def _share(part: float, whole: float) -> float:
    return round(float(part) / float(whole), 5) if whole else 1.0


def _resized(image: Pixels, factor: float) -> Pixels:
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def _reencoded(image: Pixels) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=40)
    return decode(stream.getvalue())


def _bordered(image: Pixels, level: int) -> Pixels:
    rows, columns = (round(0.05 * side) for side in image.shape[:2])
    return np.pad(image, ((rows, rows), (columns, columns), (0, 0)), constant_values=level)


def _brightened(image: Pixels, factor: float) -> Pixels:
    changed: Pixels = np.clip(np.rint(image * factor), 0, 255).astype(np.uint8)
    return changed


_CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "flip": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "rotation": lambda image: np.ascontiguousarray(np.rot90(image)),
    "half_size": lambda image: _resized(image, 0.5),
    "double_size": lambda image: _resized(image, 2),
    "jpeg_40": _reencoded,
    "black_border": lambda image: _bordered(image, 0),
    "white_border": lambda image: _bordered(image, 255),
    "darker": lambda image: _brightened(image, 0.7),
    "brighter": lambda image: _brightened(image, 1.3),
    "white_border_then_jpeg_40": lambda image: _reencoded(_bordered(image, 255)),
}


if __name__ == "__main__":
    main()
