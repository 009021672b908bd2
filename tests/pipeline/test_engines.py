"""Engines by one word: what Beam gets for it, and what is refused, in the configuration too."""

import pytest

from components.errors import UsageError
from pipeline.beam_config import BeamConfig
from pipeline.config import load_config
from pipeline.engine_check import ready_options
from pipeline.engines import LOCAL_BEAM, parse_engine

FLINK = ("--runner=FlinkRunner", "--flink_master=flink:8081", "--flink_submit_uber_jar")
POOL = ("--environment_type=EXTERNAL", "--environment_config=localhost:50000")


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("local", LOCAL_BEAM),
        ("local?workers=1", LOCAL_BEAM),
        ("local?workers=2", ("--runner=FnApiRunner", "--direct_running_mode=multi_processing",
                             "--direct_num_workers=2")),
        ("flink://flink:8081", FLINK + POOL),
        ("flink://flink:8081?parallelism=4&jar=/a+b%26c.jar",
         (*FLINK, "--flink_job_server_jar=/a+b&c.jar", "--parallelism=4", *POOL)),
        ("flink://flink:8081?image=house/beam:1",
         (*FLINK, "--environment_type=DOCKER", "--environment_config=house/beam:1")),
        ("flink://[::1]:8081?job=localhost:8099&pool=pool:1",
         ("--runner=PortableRunner", "--job_endpoint=localhost:8099",
          "--environment_type=EXTERNAL", "--environment_config=pool:1")),
        ("spark://10.0.0.1:7077",
         ("--runner=SparkRunner", "--spark_master_url=spark://10.0.0.1:7077", *POOL)),
        ("dataflow://my-project/europe-west4?temp=gs://bucket/tmp&image=r/beam&workers=3",
         ("--runner=DataflowRunner", "--project=my-project", "--region=europe-west4",
          "--temp_location=gs://bucket/tmp", "--sdk_container_image=r/beam",
          "--sdk_location=container", "--experiments=use_runner_v2", "--max_num_workers=3")),
    ],
)  # fmt: skip
def test_a_word_is_all_that_an_engine_needs(word, options):
    assert BeamConfig(runner=word).arguments == options


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("", "there is no engine ''; there are local, flink://HOST:8081, spark://"),
        ("flnk://host:8081", "there is no engine 'flnk://host:8081'"),
        ("local://host:1", "there is no engine"),
        ("flink", "there is no engine"),
        ("flink://host", "must be of the form flink://HOST:8081"),
        ("flink://host:0", "must be of the form"),
        ("flink://host:99999", "must be of the form"),
        ("flink://user@host:8081", "must be of the form"),
        ("flink://host:8081/x", "must be of the form"),
        ("flink://ho st:8081", "must be of the form"),
        ("flink://host:8081?paralellism=2", "flink has no option 'paralellism'; did you mean"),
        ("flink://host:8081?", "flink has no option ''"),
        ("flink://host:8081?jar", "jar='' is not the path"),
        ("flink://host:8081?parallelism=0", "parallelism='0' is not a number"),
        ("flink://host:8081?parallelism=2&parallelism=3", "parallelism is given twice"),
        ("flink://host:8081?jar=a&job=b:1", "jar and job exclude each other"),
        ("spark://host:7077?parallelism=2", "spark has no option 'parallelism'"),
        ("local?workers=99999999999", "workers='99999999999' is not a number"),
        ("dataflow://p/r", "image and temp is missing"),
        ("dataflow://p?temp=gs://b/t&image=i", "must be of the form dataflow://PROJECT/REGION"),
        ("dataflow://p/r?temp=/tmp&image=i", "temp='/tmp' is not a folder in a bucket"),
    ],
)
def test_what_an_engine_does_not_know_is_refused_in_a_sentence(word, says):
    with pytest.raises(ValueError, match=".") as refused:
        parse_engine(word)
    assert says in str(refused.value)
    with pytest.raises(UsageError, match="^--beam '.*' is refused: ") as by_flag:
        ready_options(word)
    assert str(by_flag.value).count("\n") == 0
    assert str(by_flag.value)[-1] in ".?"
    assert str(by_flag.value)[-2] not in ".?"
    with pytest.raises(UsageError, match="beam.runner="):
        load_config("sample", [("beam.runner", word)])


def test_a_list_is_all_that_beam_gets_and_options_are_added_to_an_engine():
    raw = ["--runner=FnApiRunner", "--direct_running_mode=multi_threading"]
    assert load_config("sample", [("beam", raw)]).beam.arguments == tuple(raw)
    more = [("beam.runner", "local"), ("beam.options", ["--direct_num_workers=1"])]
    config = load_config("sample", more)
    assert config.beam.arguments == (*LOCAL_BEAM, "--direct_num_workers=1")
    assert type(config).model_validate_json(config.model_dump_json()) == config
    with pytest.raises(UsageError, match="name two engines"):
        load_config("sample", [("beam.options", ["--runner=FlinkRunner"])])
