"""Histograms of statistics that are made by hand."""

import numpy as np
import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.pages.histograms import read_charts


def _statistics(**values: list[float]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """As TFDV makes them, in ten buckets; one without width where all values are the same."""
    made = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = made.datasets.add()
    for name, of_feature in values.items():
        numbers = dataset.features.add(path={"step": [f"image/{name}"]}).num_stats
        numbers.common_stats.num_non_missing = len(of_feature)
        numbers.min, numbers.max = min(of_feature), max(of_feature)
        numbers.mean = float(np.mean(of_feature))
        histogram = numbers.histograms.add(type=statistics_pb2.Histogram.STANDARD)
        if numbers.min == numbers.max:
            counts, edges = [len(of_feature)], [numbers.min] * 2
        else:
            counts, edges = np.histogram(of_feature, 10)
        for count, low, high in zip(counts, edges, edges[1:], strict=False):
            histogram.buckets.add(low_value=low, high_value=high, sample_count=count)
    return made


def test_histograms_of_a_feature_are_on_one_scale_and_of_one_area():
    charts = read_charts(
        {
            "train": _statistics(mean=[1, 2, 2, 3, 9], frame=[1, 2]),
            "test": _statistics(mean=[-5, 4], std=[1, 2]),
        }
    )
    assert [chart.feature for chart in charts] == ["image/mean", "image/std"]
    mean, _ = charts
    assert (mean.low, mean.high) == (-5, 9)
    assert mean.line("train").images == 5
    assert mean.line("eval") is None
    for line in mean.lines:
        values, shares = line.outline.T
        assert shares[0] == shares[-1] == 0
        assert np.trapezoid(shares, values) == pytest.approx(1)


def test_a_drawing_takes_its_colours_from_the_page_and_fills_what_the_page_is_about():
    [chart] = read_charts(
        {name: _statistics(mean=[1, 2, 3]) for name in ("train", "test", "before")}
    )
    together, alone = chart.draw("train", "test", "before"), chart.draw("before")
    assert together.startswith("<svg")
    assert together.count("<path") == 4  # train is filled and outlined
    assert alone.count("<path") == 2
    assert "stroke-dasharray" in together
    assert "stroke-dasharray" not in alone
    assert "var(--accent)" in together
    assert "var(--quiet)" in alone
    assert " id=" not in together  # there are many on a page


def test_one_value_alone_has_a_width():
    [chart] = read_charts({"train": _statistics(mean=[3, 3])})
    assert (chart.low, chart.high) == (2, 4)
    values = chart.line("train").outline[:, 0]
    assert values.min() == 3
    assert 3 < values.max() < 4


@pytest.mark.parametrize("value", [1e17, float("inf"), float("nan")])
def test_what_has_no_scale_is_not_drawn(value):
    made = _statistics(mean=[3, 3], std=[1, 2])
    [numbers] = (one.num_stats for one in made.datasets[0].features if "mean" in one.path.step[0])
    numbers.min = numbers.max = value
    assert [chart.feature for chart in read_charts({"train": made})] == ["image/std"]
