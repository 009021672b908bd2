"""Which earlier ingestion an ingestion remembers."""

import json

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.orchestration import metadata
from tfx.orchestration.portable import data_types

from components.ingest.artifacts import SplitAssignment
from components.ingest.config import IngestConfig, settings_digest
from components.ingest.driver import IngestDriver


class _Ingestions:
    """What ML Metadata knows, and what the driver makes of it."""

    def __init__(self, data, database) -> None:
        self._data = str(data)
        self._connection = metadata.Metadata(metadata.sqlite_metadata_connection_config(database))

    def begin(self, code: str = "1", **settings) -> dict[str, str]:
        """The properties that an ingestion runs with."""
        config = IngestConfig(split_policy="group", **settings)
        given = {"input_base": self._data, "config": config.model_dump_json(), "code": code}
        found = IngestDriver(self._connection).run(data_types.ExecutionInfo(exec_properties=given))
        return {name: value.string_value for name, value in found.exec_properties.items()}

    def end(self, name: str, properties: dict[str, str]) -> None:
        """Records its splits."""
        artifact = pb.Artifact(uri=name, state=pb.Artifact.LIVE)
        fields = {
            "input_base": properties["input_base"],
            "policy": json.loads(properties["config"])["split_policy"],
            "fingerprint": properties["fingerprint"],
            "settings": settings_digest(properties),
        }
        for key, value in fields.items():
            artifact.custom_properties[key].string_value = value
        with self._connection as handle:
            kind = pb.ArtifactType(name=SplitAssignment.TYPE_NAME)
            artifact.type_id = handle.store.put_artifact_type(kind)
            handle.store.put_artifacts([artifact])


@pytest.fixture
def ingestions(make_folder, tmp_path):
    return _Ingestions(make_folder(train=2, test=1), str(tmp_path / "metadata.sqlite"))


def test_the_same_again_remembers_the_same_and_so_is_answered_from_cache(ingestions):
    first = ingestions.begin()
    assert first["history"] == ""
    ingestions.end("first", first)
    assert ingestions.begin() == first


@pytest.mark.parametrize("change", [{"test_share": 0.1}, {"code": "2"}])
def test_the_same_images_under_other_settings_remember_where_they_were(ingestions, change):
    ingestions.end("first", ingestions.begin())
    assert ingestions.begin(**change)["history"] == "first"


def test_another_table_of_labels_of_the_same_name_is_another_setting(ingestions, tmp_path):
    file = tmp_path / "labels.csv"
    table = "path,label\nTraining/glioma,glioma\nTesting/notumor,notumor\n"
    file.write_text(table)
    first = ingestions.begin(labels=file)
    ingestions.end("first", first)
    assert ingestions.begin(labels=file) == first
    file.write_text(table + "Training/notumor,glioma\n")
    again = ingestions.begin(labels=file)
    assert again["labels"] != first["labels"]
    assert again["history"] == "first"


def test_another_split_file_of_the_same_name_is_another_setting(ingestions, tmp_path):
    file = tmp_path / "splits.csv"
    file.write_text("one")
    ingestions.end("first", ingestions.begin(split_file=file))
    file.write_text("other")
    assert ingestions.begin(split_file=file)["history"] == "first"
