"""What a training is found in the cache by."""

import pytest
from tfx.orchestration import metadata
from tfx.orchestration.portable import data_types

from components.trainer.driver import RecipeDriver
from pipeline.config import Config
from pipeline.graph import create_pipeline
from pipeline.work import Work

pytestmark = pytest.mark.long


def _key(tmp_path, node="Trainer", work="work", **settings) -> str:
    config = Config(data=tmp_path, **{"tune": {"enabled": True}, **settings})
    pipeline = create_pipeline(config, Work(tmp_path / work))
    [found] = [one for one in pipeline.components if one.id == node]
    assert found.driver_class is RecipeDriver
    driver = RecipeDriver(metadata.Metadata(metadata.sqlite_metadata_connection_config("unused")))
    made = driver.run(data_types.ExecutionInfo(exec_properties=found.exec_properties))
    return made.exec_properties["custom_config"].string_value


@pytest.mark.parametrize("node", ["Trainer", "Tuner"])
def test_where_weights_lie_and_what_room_there_is_decide_nothing(tmp_path, node):
    for folder, content in (("here", b"one"), ("there", b"one"), ("third", b"other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "vgg16.h5").write_bytes(content)

    def key(folder: str, gigabytes: float, work: str) -> str:
        weights = {"weights": tmp_path / folder / "vgg16.h5"}
        train = {"cache_gigabytes": gigabytes}
        return _key(tmp_path, node, work, model=weights, train=train)

    first = key("here", 1, "work")
    assert key("there", 2, "other") == first
    assert key("third", 1, "work") != first


def test_a_setting_that_decides_is_in_it(tmp_path):
    assert _key(tmp_path) == _key(tmp_path)
    assert _key(tmp_path, train={"epochs": 3}) != _key(tmp_path)
    assert _key(tmp_path, model={"weights": "random"}) != _key(tmp_path)
