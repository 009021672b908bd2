"""How far samples of the same images lie apart, how far changed ones do, and which the gate stops.

    bin/python -m benchmarks.drift [--data FOLDER] [--draws 60]

The thresholds in schema/schema.pbtxt and the allowance for small data in GateConfig were chosen
between these figures. `drawn` are two random samples of a folder's training images; `neighbours`
are two runs of consecutive files of each class, which come of other patients and so lie farther
apart; then one of two random samples is changed. A figure is the largest divergence of all draws
for what should pass, the smallest for what should not; behind it, how many draws the gate stops.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import add_data
from components.gate.config import GateConfig
from components.gate.drift import Statistics, measure_drift
from components.gate.verdict import Distance
from components.schema_gen.curated import curated_schema
from imaging.quality import measure
from imaging.reader import decode
from schema.statistics import statistics_options

_SIZES = (20, 40, 60, 100, 200, 400, 800, 1600)
_CHANGED_SIZES = (60, 200, 800)
_CHANGED_IMAGES = 1600
_SUFFIXES = (".jpg", ".jpeg", ".png")

Levels = np.ndarray[Any, np.dtype[np.float64]]
Pairs = Iterator[tuple[pd.DataFrame, pd.DataFrame]]

_CHANGES: dict[str, Callable[[Levels, float], Levels]] = {
    "brightness x 0.7": lambda levels, _: levels * 0.7,
    "brightness x 0.85": lambda levels, _: levels * 0.85,
    "brightness x 1.3": lambda levels, _: levels * 1.3,
    "gamma 0.7": lambda levels, _: 255 * (levels / 255) ** 0.7,
    "gamma 1.4": lambda levels, _: 255 * (levels / 255) ** 1.4,
    "contrast x 0.7": lambda levels, mean: (levels - mean) * 0.7 + mean,
    "contrast x 1.3": lambda levels, mean: (levels - mean) * 1.3 + mean,
}


def main() -> None:
    """Measures the images and prints a line a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser)
    parser.add_argument("--draws", type=int, default=60)
    arguments = parser.parse_args()
    files = sorted(p for p in arguments.data.glob("[Tt]rain*/*/*") if p.suffix in _SUFFIXES)
    if not files:
        sys.exit(f"There are no training images in {arguments.data}: give another with --data.")
    random = np.random.default_rng(0)
    clean = _measure(files, None)
    few = sorted(random.choice(len(files), min(_CHANGED_IMAGES, len(files)), replace=False))
    some = [files[index] for index in few]
    print(f"{len(files):,} images; {GateConfig().drift_noise:g} allowed for small data")
    for feature, values in clean.drop(columns="image/label").items():
        print(f"{feature:<24} {values.min():.4g} to {values.max():.4g}")
    for size in _SIZES:
        if 2 * size <= len(clean):
            _report(f"drawn, {size}", _drawn(clean, clean, size, arguments.draws), max)
    for size in _SIZES:
        _report(f"neighbours, {size}", _neighbours(clean, size, arguments.draws), max)
    for name in _CHANGES:
        changed = _measure(some, name)
        for size in _CHANGED_SIZES:
            if 2 * size <= len(some):
                pairs = _drawn(clean.iloc[few], changed, size, arguments.draws // 4)
                _report(f"{name}, {size}", pairs, min)


def _measure(files: list[Path], change: str | None) -> pd.DataFrame:
    """A row an image: its scalar features and its label."""
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(partial(_row, change=change), files))
    table: pd.DataFrame = pd.DataFrame(rows).add_prefix("image/")
    return table


def _row(file: Path, change: str | None) -> dict[str, object]:
    pixels = decode(file.read_bytes())
    if change:
        levels = _CHANGES[change](np.arange(256.0), float(pixels.mean()))
        pixels = np.clip(np.round(levels), 0, 255).astype(np.uint8)[pixels]
    return {**asdict(measure(pixels)), "label": file.parent.name.encode()}


def _drawn(one: pd.DataFrame, other: pd.DataFrame, size: int, draws: int) -> Pairs:
    """Two samples that share no image, of two tables of the same images."""
    random = np.random.default_rng(1)
    for _ in range(draws):
        order = random.permutation(len(one))
        yield one.iloc[order[:size]], other.iloc[order[size : 2 * size]]


def _neighbours(table: pd.DataFrame, size: int, draws: int) -> Pairs:
    """Two runs of files that follow each other, of every class."""
    classes = [rows for _, rows in table.groupby("image/label")]
    each = size // len(classes)
    runs = min(map(len, classes)) // each
    for first in range(min(runs - 1, draws)):
        one, other = (
            pd.concat([rows.iloc[each * run : each * (run + 1)] for rows in classes])
            for run in (first, first + 1)
        )
        yield one, other


def _report(title: str, pairs: Pairs, extreme: Callable[[list[float]], float]) -> None:
    measured = [_compare(one, other) for one, other in pairs]
    if not measured:
        return
    stopped = sum(any(d.value > d.allowed for d in distances) for distances in measured)
    figures = "  ".join(
        f"{of_feature[0].feature.removeprefix('image/')} "
        f"{extreme([distance.value for distance in of_feature]):.3f}"
        for of_feature in zip(*measured, strict=True)
    )
    print(f"{title:<24} {figures}  stopped {stopped} of {len(measured)}", flush=True)


def _compare(one: pd.DataFrame, other: pd.DataFrame) -> tuple[Distance, ...]:
    labels = sorted({label.decode() for label in one["image/label"]})
    return measure_drift(_statistics(other), _statistics(one), curated_schema(labels), GateConfig())


def _statistics(table: pd.DataFrame) -> Statistics:
    import tensorflow_data_validation as tfdv

    return tfdv.generate_statistics_from_dataframe(table, statistics_options(), n_jobs=1)


if __name__ == "__main__":
    main()
