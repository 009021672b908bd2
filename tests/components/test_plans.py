"""Plans: however much there is to do, the graph of a Beam job stays as it is."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import recorded_graphs
from evaluating import evaluate
from ingesting import ingest
from predicting import probabilities, write_predictions
from recorded_graphs import RECORDING

from components import plans
from components.plans import Parts, read_part, write_plan

pytestmark = pytest.mark.long


def _numbers(table):
    return table["number"].to_pylist()


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_every_part_of_a_plan_is_read_once_as_it_was_written(tmp_path, monkeypatch, count):
    monkeypatch.setattr(plans, "PARTS", 4)
    parts = (pa.table({"number": [n, -n]}) for n in range(count))
    plan = write_plan(tmp_path, "plan", parts)
    assert len(plan) == -(-count // plans.PARTS)
    assert sorted(tmp_path.iterdir()) == plan
    found = tmp_path / "found"
    found.mkdir()
    with beam.Pipeline() as pipeline:
        _ = (
            pipeline
            | Parts(plan)
            | beam.Map(read_part)
            | beam.Map(_numbers)
            | beam.Map(lambda pair: (found / str(pair[0])).write_text(str(pair)))
        )
    assert {file.read_text() for file in found.iterdir()} == {str([n, -n]) for n in range(count)}
    assert len(list(found.iterdir())) == count


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of the graphs that were run since."""
    found: list[int] = []
    monkeypatch.setattr(recorded_graphs, "SIZES", found)
    return found


def test_an_ingestions_graphs_do_not_grow_with_its_images(make_folder, tmp_path, sizes):
    for count in (20, 60):
        folder = make_folder(train=count, test=4, name=f"images {count}")
        images = ingest(folder, tmp_path / f"{count}", beam=RECORDING)
        assert sum(map(len, images.examples.values())) == 2 * (count + 4)
    few, many = sizes[:2], sizes[2:]
    assert len(few) == len(many) == 2, "looking at files, and writing Examples"
    assert max(np.subtract(many, few)) < 100


def test_an_evaluations_graph_does_not_grow_with_its_images(tmp_path, sizes):
    for count in (20, 140):
        labels = np.arange(count) % 4
        folder = write_predictions(tmp_path / f"{count}", labels, probabilities(labels, 0.85))
        verdict, _ = evaluate(folder, tmp_path / f"out {count}", beam=RECORDING)
        assert verdict.examples == count
    few, many = sizes
    assert abs(many - few) < 1000, "rows have hundreds of bytes each"
