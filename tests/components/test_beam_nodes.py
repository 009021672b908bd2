"""How TFX's nodes read Examples: spread over an engine's workers, and as ever in one process."""

import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from recorded_graphs import RECORDING
from tfx_bsl.tfxio import record_based_tfxio
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from components.beam_nodes import spread_records
from pipeline.engines import LOCAL_BEAM

pytestmark = pytest.mark.long

DEALT_OUT = "beam:transform:reshuffle:v1"


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr(record_based_tfxio, "ReadTfRecord", record_based_tfxio.ReadTfRecord)


@pytest.mark.parametrize(("options", "spread"), [(LOCAL_BEAM, False), (RECORDING, True)])
def test_records_are_dealt_out_between_processes_and_are_the_same(tmp_path, options, spread):
    records = [b"%d" % number for number in range(20)]
    for number in range(2):
        with tf.io.TFRecordWriter(str(tmp_path / f"{number}.gz"), "GZIP") as writer:
            for record in records[10 * number : 10 * number + 10]:
                writer.write(record)
    spread_records()
    source = TFExampleRecord([str(tmp_path / "0.*"), str(tmp_path / "1.*")])
    pipeline = beam.Pipeline(options=PipelineOptions(list(options)))
    _ = (
        pipeline
        | source.RawRecordBeamSource()
        | beam.Map(lambda record: (tmp_path / f"found-{record.decode()}").touch())
    )
    steps = pipeline.to_runner_api().components.transforms.values()
    assert any(step.spec.urn == DEALT_OUT for step in steps) == spread
    pipeline.run().wait_until_finish()
    assert {file.name for file in tmp_path.glob("found-*")} == {
        f"found-{number}" for number in range(20)
    }
