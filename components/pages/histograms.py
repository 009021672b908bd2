"""Histograms of statistics, drawn for pages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.pages.canvas import ACCENT, BAD, GOOD, QUIET, canvas

_LEFT_OUT = ("image/class", "image/frame", "image/seen", "image/channels")
"""Numbers that count or number something, of which a distribution says nothing."""
_COLOURS = {"eval": GOOD, "test": BAD, "before": QUIET, "training": QUIET}
"""By the names of lines; all others are what the page is about."""
_WIDTH, _HEIGHT = 3.2, 1.12
_HEADROOM = 1.05

Bucket: TypeAlias = statistics_pb2.Histogram.Bucket


@dataclass(frozen=True)
class Line:
    """One histogram.

    Attributes:
        name: Whose it is: a split, or data before.
        outline: Its corners from left to right: value and share per unit, [corners, 2].
        mean: Of the values.
        images: How many values there are.
    """

    name: str
    outline: npt.NDArray[np.float64]
    mean: float
    images: int


@dataclass(frozen=True)
class Chart:
    """The histograms of one feature, on one scale.

    Attributes:
        feature: The feature.
        low: The value at the left end.
        high: The value at the right end.
        lines: The histograms.
    """

    feature: str
    low: float
    high: float
    lines: tuple[Line, ...]

    def line(self, name: str) -> Line | None:
        """The histogram of a split, if it has one."""
        return next((line for line in self.lines if line.name == name), None)

    def draw(self, *names: str) -> str:
        """Draws some of the histograms.

        Args:
            *names: Which; one alone is filled, as is what the page is about.

        Returns:
            SVG.
        """
        peak = max(line.outline[:, 1].max() for line in self.lines)
        with canvas("histogram", _WIDTH, _HEIGHT, bare=True) as (axes, svg):
            axes.set(xlim=(self.low, self.high), ylim=(0, _HEADROOM * (peak or 1)))
            for line in self.lines:
                if line.name in names:
                    colour = _COLOURS.get(line.name, ACCENT)
                    behind = colour == QUIET and len(names) > 1
                    axes.plot(*line.outline.T, "--" if behind else "-", color=colour, clip_on=False)
                    if colour == ACCENT or len(names) == 1:
                        axes.fill(*line.outline.T, color=colour, alpha=0.25, lw=0, clip_on=False)
        return svg()


def read_charts(
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatisticsList],
) -> list[Chart]:
    """Reads every numeric feature that has a distribution between finite ends.

    Args:
        statistics: By the name of the line that each shall be.

    Returns:
        A chart a feature, by name.
    """
    by_feature: dict[str, dict[str, statistics_pb2.NumericStatistics]] = {}
    for name, of_name in statistics.items():
        for dataset in of_name.datasets:
            for feature in dataset.features:
                path, numbers = ".".join(feature.path.step), feature.num_stats
                counted = numbers.common_stats.num_non_missing and path not in _LEFT_OUT
                if counted and _buckets(numbers):
                    by_feature.setdefault(path, {})[name] = numbers
    charts = (_chart(feature, numbers) for feature, numbers in sorted(by_feature.items()))
    return [chart for chart in charts if chart]


def _chart(feature: str, numbers: Mapping[str, statistics_pb2.NumericStatistics]) -> Chart | None:
    """The chart of a feature; none if nothing finite lies between its ends."""
    low, high = min(n.min for n in numbers.values()), max(n.max for n in numbers.values())
    if low == high:
        low, high = low - 1, high + 1
    if not 0 < high - low < math.inf:
        return None
    lines = (
        Line(name, _outline(_buckets(n), low, high), n.mean, n.common_stats.num_non_missing)
        for name, n in numbers.items()
    )
    return Chart(feature, low, high, tuple(lines))


def _buckets(numbers: statistics_pb2.NumericStatistics) -> Sequence[Bucket]:
    kind = statistics_pb2.Histogram.STANDARD
    found = (one.buckets for one in numbers.histograms if one.type == kind and one.buckets)
    return next(found, ())


def _outline(buckets: Sequence[Bucket], low: float, high: float) -> npt.NDArray[np.float64]:
    """The corners of a histogram, from floor to floor; a bucket without width gets some."""
    total = sum(bucket.sample_count for bucket in buckets) or 1.0
    least = (high - low) / 60
    corners = []
    for bucket in buckets:
        left, width = bucket.low_value, max(bucket.high_value - bucket.low_value, least)
        share = bucket.sample_count / total / width
        corners += [(left, share), (left + width, share)]
    outline = np.array([(corners[0][0], 0.0), *corners, (corners[-1][0], 0.0)])
    outline[:, 0] = outline[:, 0].clip(low, high)
    return outline
