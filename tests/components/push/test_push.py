import json
import os
from pathlib import Path

import pytest
from tfx.types import standard_artifacts

from components.push.executor import AtomicPushExecutor, copy_whole


@pytest.fixture
def model(tmp_path) -> Path:
    folder = tmp_path / "model" / "Format-Serving"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder.parent


def _push(model: Path, serving: Path, *, blessed: bool, made: int = 1_700_000_000_123):
    artifact, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
    artifact.uri = str(model)
    artifact.mlmd_artifact.create_time_since_epoch = made
    blessing.set_int_custom_property("blessed", int(blessed))
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(model.parent / "pushed_model")
    Path(pushed.uri).mkdir(exist_ok=True)
    AtomicPushExecutor().Do(
        {"model": [artifact], "model_blessing": [blessing]},
        {"pushed_model": [pushed]},
        {"push_destination": json.dumps({"filesystem": {"base_directory": str(serving)}})},
    )
    return pushed


def test_a_blessed_model_appears_whole(model, tmp_path):
    pushed = _push(model, tmp_path / "serving", blessed=True)
    version = tmp_path / "serving" / "1700000000"
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert (version / "variables" / "variables.index").read_bytes() == b"index"
    assert os.listdir(tmp_path / "serving") == ["1700000000"]
    described = json.loads((Path(pushed.uri) / "pushed.json").read_text())
    assert described == {"destination": str(version), "version": "1700000000"}


def test_a_refused_model_is_not_pushed(model, tmp_path):
    pushed = _push(model, tmp_path / "serving", blessed=False)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()


def test_pushing_the_same_model_again_changes_nothing(model, tmp_path):
    _push(model, tmp_path / "serving", blessed=True)
    before = (tmp_path / "serving" / "1700000000").stat().st_ino
    _push(model, tmp_path / "serving", blessed=True)
    assert (tmp_path / "serving" / "1700000000").stat().st_ino == before


def test_a_copy_that_fails_half_way_leaves_nothing(model, tmp_path, monkeypatch):
    def full_disk(source, target):
        Path(target).mkdir()
        (Path(target) / "saved_model.pb").write_bytes(b"gra")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("components.push.executor.shutil.copytree", full_disk)
    with pytest.raises(OSError, match="No space"):
        copy_whole(model, tmp_path / "serving" / "1")
    assert os.listdir(tmp_path / "serving") == []
