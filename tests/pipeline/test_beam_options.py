"""Beam's options: checked, and handed to every component that uses Beam."""

from pathlib import Path

import pytest
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.proto.orchestration.executable_spec_pb2 import BeamExecutableSpec
from tfx.proto.orchestration.pipeline_pb2 import IntermediateDeploymentConfig

from components.errors import UsageError
from pipeline.beam_config import BeamConfig
from pipeline.beam_options import checked_beam_options
from pipeline.config import Config, load_config
from pipeline.engines import LOCAL_BEAM
from pipeline.graph import create_pipeline
from pipeline.launch import compile_pipeline
from pipeline.work import Work

WORKERS = ("--runner=FnApiRunner", "--direct_running_mode=multi_processing",
           "--direct_num_workers=2")  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        LOCAL_BEAM,
        WORKERS,
        ("--runner=FlinkRunner", "--flink_master=flink:8081", "--parallelism=8",
         "--checkpointing_interval=60000"),
        ("--runner=SparkRunner", "--spark_master_url=spark://spark:7077"),
        ("--runner=PortableRunner", "--job_endpoint=localhost:8099",
         "--environment_type=EXTERNAL", "--environment_config=localhost:50000"),
        ("--runner=DataflowRunner", "--project=p", "--region=europe-west4",
         "--temp_location=gs://bucket/tmp", "--sdk_container_image=registry/image"),
        ("--runner=house.own.Runner", "--anything=1"),
    ],
)  # fmt: skip
def test_what_beam_knows_is_handed_on_as_it_is(options):
    assert checked_beam_options(options) == list(options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--direct_running_mode=fast"], "invalid choice: 'fast'"),
        (["--direct_num_workers=many"], "invalid int value: 'many'"),
        (["--runner=FlinkRuner"], "no runner 'FlinkRuner'; did you mean 'FlinkRunner'?"),
        (
            ["--runner=FnApiRunner", "--direct_num_worker=2"],
            "FnApiRunner has no option '--direct_num_worker'; did you mean '--direct_num_workers'?",
        ),
        (["--direct_num_worker=2"], "DirectRunner has no option"),
    ],
)
def test_what_beam_would_drop_or_die_of_is_refused(options, says):
    with pytest.raises(UsageError) as refused:
        checked_beam_options(options)
    assert says in str(refused.value)


@pytest.mark.parametrize("option", ["runner=FnApiRunner", "--", "-r=1", "--runner FnApiRunner"])
def test_an_option_is_a_name_and_its_value_in_one(option):
    with pytest.raises(UsageError, match=r"beam\.options\.0="):
        load_config("sample", [("beam", [option])])


def test_every_component_that_uses_beam_gets_them(tmp_path: Path):
    config = Config(data=tmp_path, beam=BeamConfig(runner="local?workers=2"), bulk_inference=True)
    pipeline = create_pipeline(config, Work(tmp_path))
    using = {one.id for one in pipeline.components if isinstance(one, BaseBeamComponent)}
    assert using >= {"Ingest", "StatisticsGen", "Transform", "Evaluator", "BulkInferrer"}
    deployment = IntermediateDeploymentConfig()
    compile_pipeline(pipeline).deployment_config.Unpack(deployment)
    for name in using:
        spec = BeamExecutableSpec()
        assert deployment.executor_specs[name].Unpack(spec), name
        assert list(spec.beam_pipeline_args) == list(WORKERS), name
