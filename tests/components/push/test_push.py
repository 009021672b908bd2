import json
import os
from pathlib import Path

import pytest
from carding import card
from signing_keys import make_key
from tfx.types import standard_artifacts

from components.evaluate.artifacts import ModelReport
from components.evaluate.report.card import ModelCard
from components.evaluate.report.files import PAGE_FILE
from components.push.executor import AtomicPushExecutor
from components.push.versions import copy_whole, next_version, pushed_versions
from components.signature import KEY_VARIABLE, verify

MADE = 1_700_000_000


@pytest.fixture
def model(tmp_path) -> Path:
    folder = tmp_path / "model" / "Format-Serving"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "metadata.json").write_text('{"classes": ["glioma", "notumor"]}')
    report = tmp_path / "report"
    report.mkdir()
    (report / PAGE_FILE).write_text("<!doctype html>")
    card().write(report)
    return folder.parent


def _artifact(kind, folder: Path):
    made = kind()
    made.uri = str(folder)
    folder.mkdir(exist_ok=True)
    return made


def _push(
    model: Path,
    serving: Path,
    *,
    blessed: bool = True,
    push: str = "auto",
    withdrawn: int = 0,
    made: int = MADE,
):
    artifact = _artifact(standard_artifacts.Model, model)
    artifact.mlmd_artifact.create_time_since_epoch = made * 1000 + 123
    blessing = standard_artifacts.ModelBlessing()
    blessing.set_int_custom_property("blessed", int(blessed))
    pushed = _artifact(standard_artifacts.PushedModel, model.parent / "pushed_model")
    AtomicPushExecutor().Do(
        {
            "model": [artifact],
            "model_blessing": [blessing],
            "report": [_artifact(ModelReport, model.parent / "report")],
        },
        {"pushed_model": [pushed]},
        {
            "push_destination": json.dumps({"filesystem": {"base_directory": str(serving)}}),
            "push": push,
            "withdrawn": withdrawn,
        },
    )
    return pushed


def test_a_blessed_model_appears_whole(model, tmp_path):
    pushed = _push(model, tmp_path / "serving")
    version = tmp_path / "serving" / "1700000000"
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert (version / "variables" / "variables.index").read_bytes() == b"index"
    assert os.listdir(tmp_path / "serving") == ["1700000000"]
    described = json.loads((Path(pushed.uri) / "pushed.json").read_text())
    assert described["version"] == "1700000000"
    assert (Path(pushed.uri) / described["destination"]).samefile(version)


def test_the_pushed_copy_has_the_card_the_report_and_the_test_figures(model, tmp_path):
    _push(model, tmp_path / "serving")
    extras = tmp_path / "serving" / "1700000000" / "assets.extra"
    metadata = json.loads((extras / "metadata.json").read_text())
    assert metadata["classes"] == ["glioma", "notumor"]
    assert metadata["version"] == "1700000000"
    assert metadata["split_policy"] == "leak_free"
    assert metadata["figures"]["accuracy"]["value"] == 0.9
    pushed = ModelCard.read(extras)
    assert pushed.version == "1700000000"
    assert [one.decision for one in pushed.changelog] == ["pushed"]
    assert "Version 1700000000" in (extras / "model_card.md").read_text()
    assert (extras / "report.html").read_text() == "<!doctype html>"
    assert not (model / "Format-Serving" / "assets.extra" / "model_card.md").exists()


def test_a_refused_model_is_not_pushed(model, tmp_path):
    pushed = _push(model, tmp_path / "serving", blessed=False)
    assert pushed.get_int_custom_property("pushed") == 0
    assert pushed.get_int_custom_property("waiting") == 0
    assert not (tmp_path / "serving").exists()


def test_a_blessed_model_waits_where_a_person_decides(model, tmp_path):
    pushed = _push(model, tmp_path / "serving", push="after_review")
    assert pushed.get_int_custom_property("pushed") == 0
    assert pushed.get_int_custom_property("waiting") == 1
    assert not (tmp_path / "serving").exists()
    refused = _push(model, tmp_path / "serving", blessed=False, push="after_review")
    assert refused.get_int_custom_property("waiting") == 0


def test_a_model_that_is_served_already_waits_for_nobody(model, tmp_path):
    _push(model, tmp_path / "serving")
    again = _push(model, tmp_path / "serving", push="after_review")
    assert again.get_string_custom_property("pushed_version") == "1700000000"
    assert again.get_int_custom_property("waiting") == 0
    assert os.listdir(tmp_path / "serving") == ["1700000000"]


@pytest.mark.parametrize("push", ["auto", "after_review"])
def test_a_model_that_a_person_decided_against_is_neither_pushed_nor_waits(model, tmp_path, push):
    pushed = _push(model, tmp_path / "serving", push=push, withdrawn=1)
    assert pushed.get_int_custom_property("pushed") == 0
    assert pushed.get_int_custom_property("waiting") == 0
    assert "a person decided against it" in (Path(pushed.uri) / "pushed.json").read_text()
    assert not (tmp_path / "serving").exists()


def test_pushing_the_same_model_again_changes_nothing(model, tmp_path):
    _push(model, tmp_path / "serving")
    before = (tmp_path / "serving" / "1700000000").stat().st_ino
    _push(model, tmp_path / "serving")
    assert (tmp_path / "serving" / "1700000000").stat().st_ino == before
    assert os.listdir(tmp_path / "serving") == ["1700000000"]


def test_a_model_that_was_made_before_the_served_one_still_gets_the_highest_version(
    model, tmp_path
):
    (tmp_path / "serving" / "1700000500").mkdir(parents=True)
    pushed = _push(model, tmp_path / "serving")
    assert pushed.get_string_custom_property("pushed_version") == "1700000501"


def test_a_model_that_is_pushed_again_is_the_one_that_is_served(model, tmp_path):
    _push(model, tmp_path / "serving")
    (tmp_path / "serving" / "1700000500").mkdir()
    pushed = _push(model, tmp_path / "serving")
    assert pushed.get_string_custom_property("pushed_version") == "1700000501"
    assert pushed_versions(tmp_path / "serving")[-1] == 1_700_000_501
    assert (tmp_path / "serving" / "1700000501" / "saved_model.pb").read_bytes() == b"graph"


@pytest.mark.parametrize(("made", "version"), [(MADE + 100, MADE + 100), (MADE - 100, MADE + 1)])
def test_a_model_of_another_database_with_the_same_id_is_another_model(
    model, tmp_path, made, version
):
    _push(model, tmp_path / "serving")
    (model / "Format-Serving" / "saved_model.pb").write_bytes(b"other")
    pushed = _push(model, tmp_path / "serving", made=made)
    assert pushed.get_string_custom_property("pushed_version") == str(version)
    served = tmp_path / "serving" / str(version) / "saved_model.pb"
    assert served.read_bytes() == b"other"


@pytest.mark.parametrize(("version", "again"), [(MADE + 1, False), (MADE - 1, True)])
def test_a_version_that_does_not_say_when_its_model_was_made_is_not_older_than_it(
    model, tmp_path, version, again
):
    extras = tmp_path / "serving" / str(version) / "assets.extra"
    extras.mkdir(parents=True)
    (extras / "metadata.json").write_text('{"origin": {"model": 0, "execution": 5}}')
    pushed = _push(model, tmp_path / "serving")
    expected = MADE if again else version
    assert pushed.get_string_custom_property("pushed_version") == str(expected)


def test_versions_are_the_folders_named_by_a_number(tmp_path):
    for name in ("7", "12", ".13.unfinished", "notes"):
        (tmp_path / name).mkdir()
    assert pushed_versions(tmp_path) == [7, 12]
    assert next_version(tmp_path, 9) == 13
    assert next_version(tmp_path, 20) == 20
    assert next_version(tmp_path / "absent", 9) == 9


def test_a_copy_that_fails_half_way_leaves_nothing(model, tmp_path, monkeypatch):
    def full_disk(source, target):
        Path(target).mkdir()
        (Path(target) / "saved_model.pb").write_bytes(b"gra")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("components.push.versions.shutil.copytree", full_disk)
    with pytest.raises(OSError, match="No space"):
        copy_whole(model, tmp_path / "serving" / "1", lambda copy: None)
    assert os.listdir(tmp_path / "serving") == []


def test_a_version_is_signed_with_all_that_was_added_to_it(model, tmp_path, monkeypatch):
    pytest.importorskip("model_signing", reason="model-signing needs Python 3.11 or later")
    monkeypatch.setenv(KEY_VARIABLE, str(make_key(tmp_path, "ours")))
    _push(model, tmp_path / "serving")
    version = tmp_path / "serving" / str(MADE)
    there = sum(file.is_file() for file in version.rglob("*"))
    assert verify(version, tmp_path / "ours.pub").files == there - 1  # the signature itself
