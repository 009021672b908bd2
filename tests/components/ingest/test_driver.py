"""What an ingestion is found in the cache by, and which earlier one it remembers."""

import json
import os
import shutil
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.orchestration import metadata
from tfx.orchestration.portable import data_types

from components.ingest.artifacts import SplitAssignment
from components.ingest.config import IngestConfig, settings_digest
from components.ingest.driver import IngestDriver


class _Ingestions:
    """What ML Metadata knows, and what the driver makes of it."""

    def __init__(self, data, database, cache) -> None:
        self.data = data
        self._cache = cache
        self._connection = metadata.Metadata(metadata.sqlite_metadata_connection_config(database))

    def begin(self, code: str = "1", data=None, work=None, **settings) -> dict[str, str]:
        """The properties that an ingestion is found in the cache by."""
        config = IngestConfig(**{"split_policy": "group", **settings})
        given = {
            "input_base": str(data or self.data),
            "config": config.model_dump_json(),
            "code": code,
            "cache": str(self._cache),
        }
        information = data_types.ExecutionInfo(exec_properties=given)
        if work:
            made = SplitAssignment()
            made.uri = str(work / "artifacts" / "Ingest" / "splits" / "99")
            information.output_dict = {"splits": [made]}
        found = IngestDriver(self._connection).run(information)
        properties = {name: value.string_value for name, value in found.exec_properties.items()}
        assert settings_digest({**properties, **given}) == settings_digest(properties)
        return properties

    def end(self, name: str, properties: dict[str, str]) -> None:
        """Records its splits."""
        artifact = pb.Artifact(uri=name, state=pb.Artifact.LIVE)
        fields = {
            "policy": json.loads(properties["config"])["split_policy"],
            "fingerprint": properties["fingerprint"],
            "settings": settings_digest(properties),
            "history": properties["history"],
        }
        for key, value in fields.items():
            artifact.custom_properties[key].string_value = value
        with self._connection as handle:
            kind = pb.ArtifactType(name=SplitAssignment.TYPE_NAME)
            artifact.type_id = handle.store.put_artifact_type(kind)
            handle.store.put_artifacts([artifact])


@pytest.fixture
def ingestions(make_folder, tmp_path):
    data = make_folder(train=2, test=1)
    return _Ingestions(data, str(tmp_path / "metadata.sqlite"), tmp_path / "cache")


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


def test_a_copy_with_other_times_is_the_same_and_a_changed_byte_is_not(ingestions, tmp_path):
    first = ingestions.begin()
    ingestions.end("first", first)
    copy = tmp_path / "elsewhere" / "other name"
    shutil.copytree(ingestions.data, copy, copy_function=shutil.copyfile)
    for file in copy.glob("*/*/*"):
        os.utime(file, ns=(1, 1))
    assert ingestions.begin(data=copy) == first

    image = next(copy.glob("Training/*/*"))
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    status = image.stat()
    image.write_bytes(content)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = ingestions.begin(data=copy)
    assert changed["fingerprint"] != first["fingerprint"]
    assert changed["history"] == "first", "or it trains on what was in test"


@pytest.mark.parametrize("spelling", ["relative", "up", "slash", "link", "above"])
def test_the_same_folder_by_another_path_is_the_same(ingestions, tmp_path, monkeypatch, spelling):
    first = ingestions.begin()
    ingestions.end("first", first)
    data = ingestions.data
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(data, target_is_directory=True)
    (tmp_path / "above").symlink_to(tmp_path, target_is_directory=True)
    spelled = {
        "relative": data.name,
        "up": f"{data}/Training/../../{data.name}",
        "slash": f"{data}//",
        "link": str(tmp_path / "link"),
        "above": str(tmp_path / "above" / data.name),
    }[spelling]
    assert ingestions.begin(data=spelled) == first
    (data / "Training" / "glioma" / "new.png").write_bytes(b"new")
    assert ingestions.begin(data=spelled)["history"] == "first"


@pytest.mark.parametrize("kind", ["labels", "split_file"])
def test_where_a_table_lies_decides_nothing(ingestions, tmp_path, kind):
    table = "path,label\nTraining/glioma,glioma\nTesting/notumor,notumor\n"
    found = []
    for folder in ("here", "there"):
        file = tmp_path / folder / "table.csv"
        file.parent.mkdir()
        file.write_text(table)
        found.append(ingestions.begin(**{kind: file}))
    assert found[0] == found[1]
    assert found[0] != ingestions.begin()


def test_the_newest_span_is_the_same_by_its_number(ingestions):
    data = ingestions.data
    for name in ("Training", "Testing"):
        (data / "span-002").mkdir(exist_ok=True)
        Path(data / name).rename(data / "span-002" / name)
    assert ingestions.begin() == ingestions.begin(span=2) == ingestions.begin(window=3)


def test_other_images_go_on_from_all_that_came_before(ingestions, make_folder):
    """Whatever folder they came in; and what is run again finds what it found."""
    first = ingestions.begin()
    ingestions.end("first", first)
    other = make_folder(train=3, test=1, name="other")
    second = ingestions.begin(data=other)
    assert second["history"] == "first"
    ingestions.end("second", second)
    third = ingestions.begin(code="2")
    assert third["history"] == "second"
    ingestions.end("third", third)
    assert ingestions.begin() == first
    assert ingestions.begin(data=other) == second
    assert ingestions.begin(code="2") == third


def test_another_policy_remembers_nothing_of_it(ingestions):
    ingestions.end("first", ingestions.begin())
    assert ingestions.begin(split_policy="as_is")["history"] == ""


def test_other_work_folders_of_one_database_are_not_remembered_and_a_moved_one_is(
    ingestions, tmp_path
):
    splits = tmp_path / "work" / "artifacts" / "Ingest" / "splits" / "7"
    splits.mkdir(parents=True)
    ingestions.end(str(splits), ingestions.begin())
    assert ingestions.begin("2", work=tmp_path / "work")["history"] == str(splits)
    assert ingestions.begin("2", work=tmp_path / "other")["history"] == ""
    (tmp_path / "work").rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "artifacts" / "Ingest" / "splits" / "7"
    assert ingestions.begin("2", work=tmp_path / "moved")["history"] == str(moved)
