"""The page of statistics: distributions by split, and no text that stands in the data."""

from tensorflow_metadata.proto.v0 import statistics_pb2

from kubeflow.statistics_page import render
from schema.statistics import STATISTICS_FILE

HOSTILE = "<script>alert('Smith, J.')</script>"


def write(folder, split, images):
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = statistics.datasets.add(num_examples=images)
    mean = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.FLOAT)
    mean.path.step.append("image/mean")
    mean.num_stats.mean = 40
    mean.num_stats.common_stats.num_non_missing = images
    histogram = mean.num_stats.histograms.add(type=statistics_pb2.Histogram.STANDARD)
    for low in range(0, 100, 10):
        histogram.buckets.add(low_value=low, high_value=low + 10, sample_count=images / 10)
    name = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.STRING)
    name.path.step.append("image/source")
    name.string_stats.top_values.add(value=HOSTILE, frequency=images)
    (folder / f"Split-{split}").mkdir(parents=True)
    (folder / f"Split-{split}" / STATISTICS_FILE).write_bytes(statistics.SerializeToString())


def test_each_split_is_drawn_and_no_text_of_the_data_is_shown(tmp_path):
    write(tmp_path, "train", 1234)
    write(tmp_path, "eval", 56)
    page = render(tmp_path)
    assert "image/mean" in page
    assert page.count("<path") >= 2
    for word in ("train", "1,234", "eval", "56"):
        assert word in page
    assert "Smith" not in page
    assert "<script" not in page


def test_without_statistics_there_is_a_page_all_the_same(tmp_path):
    assert "<html" in render(tmp_path)
