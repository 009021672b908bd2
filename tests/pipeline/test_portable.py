"""A work folder that is moved or copied is whole where it is then."""

import json
import shutil
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from pushing import PushRuns

from pipeline.database import connect, connection_config
from pipeline.portable import PortablePaths
from pipeline.registry import read_models
from pipeline.work import Work

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:label:DeprecationWarning")]


@pytest.mark.parametrize("name", ["work", "a b", 'é𝛼 "#\\ $HOME [x] \n-', "mri-work:"])
def test_a_path_below_the_folder_leads_there_again(tmp_path, name):
    there, here = PortablePaths(tmp_path / name), PortablePaths(tmp_path / "here" / name)
    inside = (str(tmp_path / name / "artifacts" / "1"), str(tmp_path / name))
    settings = json.dumps({"cache": inside[0], "deep": [{"base": inside[1]}]})
    plain = json.dumps({"cache": inside[0]}, ensure_ascii=False)
    for text in (*inside, settings, plain):
        recorded = there.recorded(text)
        assert str(tmp_path) not in recorded
        assert there.recorded(recorded) == recorded
        assert there.here(recorded).startswith(text[:1])
    assert here.here(there.recorded(inside[0])) == str(tmp_path / "here" / name / "artifacts" / "1")
    read = json.loads(here.here(there.recorded(settings)))
    moved = tmp_path / "here" / name
    assert read == {"cache": str(moved / "artifacts" / "1"), "deep": [{"base": str(moved)}]}


@pytest.mark.parametrize(
    "text", ["{root}2/a", "/else{root}/a", "see {root}/a", "", "/", '"{root}x"']
)
def test_what_is_not_below_the_folder_is_recorded_as_it_is(tmp_path, text):
    text = text.format(root=tmp_path)
    paths = PortablePaths(tmp_path)
    assert paths.recorded(text) == text
    assert paths.here(text) == text


def test_by_a_link_or_not_it_is_one_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    paths = PortablePaths(tmp_path / "link")
    for name in ("link", "real"):
        assert paths.here(paths.recorded(str(tmp_path / name / "a"))) == str(
            tmp_path / "link" / "a"
        )


def test_sqlite_holds_no_path_of_the_folder_and_what_is_put_stays_as_it_was(tmp_path):
    work = Work(tmp_path / "work")
    work.root.mkdir()
    store = connect(connection_config(None, work))
    kind = store.put_artifact_type(pb.ArtifactType(name="Thing"))
    made = pb.Artifact(type_id=kind, uri=str(work.artifacts / "1"))
    made.custom_properties["place"].string_value = str(work.serving)
    made.custom_properties["tree"].struct_value.update({"list": [str(work.cache)]})
    store.put_artifacts([made])
    assert made.uri == str(work.artifacts / "1")
    assert str(tmp_path).encode() not in work.metadata.read_bytes()
    [found] = store.get_artifacts_by_uri(made.uri)
    assert found.uri == made.uri
    assert found.custom_properties == made.custom_properties


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_folder_elsewhere_is_answered_from_cache_and_knows_nothing_of_where_it_was(
    tmp_path, monkeypatch, how
):
    first = PushRuns(tmp_path / "work", monkeypatch)
    assert first.run().result.nodes[-1].state == "done"
    elsewhere = tmp_path / "other disk" / "work"
    elsewhere.parent.mkdir()
    if how == "moved":
        shutil.move(first.registry.work.root, elsewhere)
    else:
        shutil.copytree(first.registry.work.root, elsewhere)
        before = _contents(tmp_path / "work")

    again = PushRuns(elsewhere, monkeypatch)
    assert again.run().result.nodes[-1].state == "cached"
    [model] = read_models(again.registry.store)
    for path in (model.saved_model, Path(model.report.uri), *model.destinations):
        assert path.is_relative_to(elsewhere)
        assert path.is_dir()
    assert again.run(from_nodes=("Evaluator",)).result.nodes[-1].state == "cached"
    assert again.run(model="Other").result.nodes[-1].state == "done"
    assert again.registry.served() == "other graph"
    assert str(tmp_path).encode() not in again.registry.work.metadata.read_bytes()
    if how == "copied":
        assert _contents(tmp_path / "work") == before
    else:
        assert not (tmp_path / "work").exists()


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
