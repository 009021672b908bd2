"""TFDV's statistics as one HTML page that needs nothing but itself, as Kubeflow shows it."""

from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.pages.histograms import read_charts
from components.pages.templates import render_page
from schema.statistics import STATISTICS_FILE

_SPLIT = "Split-"


def render(folder: Path) -> str:
    """Draws the distribution of every numeric feature, split by split.

    Args:
        folder: An ExampleStatistics artifact.

    Returns:
        HTML that loads nothing and runs nothing, and shows no value of a text feature: a file name
        may say whose image it is.
    """
    read = statistics_pb2.DatasetFeatureStatisticsList.FromString
    splits = {
        path.parent.name.removeprefix(_SPLIT): read(path.read_bytes())
        for path in sorted(folder.glob(f"{_SPLIT}*/{STATISTICS_FILE}"))
    }
    return render_page(
        Path(__file__).with_name("statistics.html"),
        images={
            name: sum(dataset.num_examples for dataset in found.datasets)
            for name, found in splits.items()
        },
        charts=read_charts(splits),
    )
