"""Histograms of statistics as lines of an SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tensorflow_metadata.proto.v0 import statistics_pb2

WIDTH, HEIGHT = 240, 84
"""The drawing's size, in its own units."""

_LEFT_OUT = ("image/class", "image/frame", "image/seen", "image/channels")
"""Numbers that count or number something, of which a distribution says nothing."""

Histogram: TypeAlias = statistics_pb2.Histogram


@dataclass(frozen=True)
class Line:
    """One histogram.

    Attributes:
        name: Whose it is: a split, or `before`.
        path: SVG path data, a closed outline on the drawing's floor.
        mean: Of the values.
        images: How many values there are.
    """

    name: str
    path: str
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


def draw_charts(
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatisticsList],
) -> list[Chart]:
    """Draws every numeric feature that has a distribution.

    Args:
        statistics: By the name of the line that each shall be.

    Returns:
        A chart a feature, by name.
    """
    by_feature: dict[str, dict[str, statistics_pb2.NumericStatistics]] = {}
    for name, of_name in statistics.items():
        for dataset in of_name.datasets:
            for feature in dataset.features:
                numbers = feature.num_stats
                if numbers.common_stats.num_non_missing and _histogram(numbers):
                    by_feature.setdefault(".".join(feature.path.step), {})[name] = numbers
    return [
        _chart(feature, by_feature[feature])
        for feature in sorted(by_feature)
        if feature not in _LEFT_OUT
    ]


def _histogram(numbers: statistics_pb2.NumericStatistics) -> Histogram | None:
    return next((h for h in numbers.histograms if h.type == Histogram.STANDARD and h.buckets), None)


def _chart(feature: str, numbers: Mapping[str, statistics_pb2.NumericStatistics]) -> Chart:
    low, high = min(n.min for n in numbers.values()), max(n.max for n in numbers.values())
    if low == high:
        low, high = low - 1, high + 1
    densities = {name: _density(_histogram(n), high - low) for name, n in numbers.items()}
    peak = max(height for bars in densities.values() for _, _, height in bars)
    return Chart(
        feature=feature,
        low=low,
        high=high,
        lines=tuple(
            Line(
                name=name,
                path=_outline(densities[name], low, high, peak),
                mean=n.mean,
                images=n.common_stats.num_non_missing,
            )
            for name, n in numbers.items()
        ),
    )


def _density(histogram: Histogram | None, span: float) -> list[tuple[float, float, float]]:
    """Left end, right end and share per unit of each bucket; a bucket without width gets some."""
    buckets = histogram.buckets if histogram else ()
    total = sum(bucket.sample_count for bucket in buckets) or 1.0
    least = span / 60
    return [
        (
            bucket.low_value,
            max(bucket.high_value, bucket.low_value + least),
            bucket.sample_count / total / max(bucket.high_value - bucket.low_value, least),
        )
        for bucket in buckets
    ]


def _outline(
    bars: Sequence[tuple[float, float, float]], low: float, high: float, peak: float
) -> str:
    def place(value: float) -> float:
        return round(min(max((value - low) / (high - low), 0), 1) * WIDTH, 1)

    steps = [f"M{place(bars[0][0])} {HEIGHT}"]
    for left, right, height in bars:
        level = round(HEIGHT - height / (peak or 1) * (HEIGHT - 4), 1)
        steps.append(f"L{place(left)} {level}L{place(right)} {level}")
    return "".join([*steps, f"L{place(bars[-1][1])} {HEIGHT}Z"])
