"""What a training is found in the cache by."""

import pytest
from tfx.orchestration import metadata
from tfx.orchestration.portable import data_types

from components.trainer.driver import TrainingDriver
from components.trainer.weights.exported import exported_digest
from pipeline.config import Config
from pipeline.graph import create_pipeline
from pipeline.work import Work

pytestmark = pytest.mark.long


def _decides(tmp_path, node="Trainer", work="work", **settings) -> dict[str, str]:
    config = Config(data=tmp_path, **{"tune": {"enabled": True}, **settings})
    pipeline = create_pipeline(config, Work(tmp_path / work))
    [found] = [one for one in pipeline.components if one.id == node]
    assert found.driver_class is TrainingDriver
    driver = TrainingDriver(metadata.Metadata(metadata.sqlite_metadata_connection_config("unused")))
    made = driver.run(data_types.ExecutionInfo(exec_properties=found.exec_properties))
    return {name: value.string_value for name, value in made.exec_properties.items()}


@pytest.mark.parametrize("node", ["Trainer", "Tuner"])
def test_where_weights_lie_and_what_room_there_is_decide_nothing(tmp_path, node):
    for folder, content in (("here", b"one"), ("there", b"one"), ("third", b"other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "vgg16.h5").write_bytes(content)

    def key(folder: str, gigabytes: float, work: str) -> dict[str, str]:
        weights = {"weights": tmp_path / folder / "vgg16.h5"}
        train = {"cache_gigabytes": gigabytes}
        return _decides(tmp_path, node, work, model=weights, train=train)

    first = key("here", 1, "work")
    assert key("there", 2, "other") == first
    assert key("third", 1, "work") != first
    (tmp_path / "here" / "vgg16.h5").write_bytes(b"other")
    assert key("here", 1, "work") == key("third", 1, "work") != first


def test_a_setting_that_decides_is_in_it(tmp_path):
    assert _decides(tmp_path) == _decides(tmp_path)
    assert _decides(tmp_path, train={"epochs": 3}) != _decides(tmp_path)
    assert _decides(tmp_path, model={"weights": "random"}) != _decides(tmp_path)


@pytest.mark.parametrize(
    ("node", "used", "unused"),
    [
        ("Trainer", {"export": {"dtype": "bfloat16"}}, {"tune": {"enabled": True, "trials": 3}}),
        ("Tuner", {"tune": {"enabled": True, "trials": 3}}, {"export": {"dtype": "bfloat16"}}),
    ],
)
def test_a_node_is_cached_by_what_it_uses(tmp_path, node, used, unused):
    assert _decides(tmp_path, node, **unused) == _decides(tmp_path, node)
    assert _decides(tmp_path, node, **used) != _decides(tmp_path, node)


def test_what_a_training_begins_with_is_recorded(tmp_path):
    file = tmp_path / "vgg16.h5"
    file.write_bytes(b"one")
    assert _decides(tmp_path, model={"weights": file})["weights"] == exported_digest(file)
    assert "weights" not in _decides(tmp_path)


def test_a_file_of_weights_that_cannot_be_read_is_the_executors_to_explain(tmp_path):
    nowhere, elsewhere = tmp_path / "nowhere.h5", tmp_path / "elsewhere.h5"
    keys = [_decides(tmp_path, model={"weights": one}) for one in (nowhere, elsewhere)]
    assert keys[0] != keys[1]
