"""What a bucket holds after pushes, rollbacks and failures, and in which order it came there."""

import json
from pathlib import Path

import pytest
from bucket_server import BUCKET, refuse

from components.bucket import BucketError, BucketFolder
from components.bucket_versions import FILES, list_versions
from components.errors import UsageError
from components.push.publishing import behind, publish, read_publication, set_bucket

pytestmark = pytest.mark.long

MODELS = BucketFolder(BUCKET, "models/brain_mri")


@pytest.fixture
def base(tmp_path, bucket_server) -> Path:
    base = tmp_path / "serving" / "brain_mri"
    base.mkdir(parents=True)
    set_bucket(base, f"s3://{BUCKET}/models")
    return base


def add(base: Path, number: int, graph: bytes = b"graph") -> Path:
    version = base / str(number)
    for name in ("variables/variables.index", "assets.extra/metadata.json"):
        (version / name).parent.mkdir(parents=True, exist_ok=True)
        (version / name).write_bytes(b"%d" % number)
    (version / "saved_model.pb").write_bytes(graph)
    return version


def whole(versions: BucketFolder = MODELS) -> list[str]:
    return sorted(name for name, one in list_versions(versions).items() if one.whole)


def sent(base: Path) -> list[str]:
    said: list[str] = []
    publish(base, said.append)
    return said


def written(server) -> list[str]:
    """The keys that were written or removed, in order."""
    return [
        f"{method} {path.removeprefix(f'/{BUCKET}/models/brain_mri/')}"
        for method, path in server.requests
        if method in ("PUT", "DELETE")
    ]


def test_the_graph_is_sent_last_and_before_it_what_belongs_to_it(bucket_server, base):
    add(base, 1)
    bucket_server.requests.clear()
    assert sent(base) == [f"published s3://{BUCKET}/models/brain_mri/1"]
    order = written(bucket_server)
    assert order[-2:] == [f"PUT 1/{FILES}", "PUT 1/saved_model.pb"]
    assert sorted(order[:-2]) == [
        "DELETE 1/saved_model.pb",
        "PUT 1/assets.extra/metadata.json",
        "PUT 1/variables/variables.index",
    ]
    about = json.loads(bucket_server.get(f"models/brain_mri/1/{FILES}"))["files"]
    assert about["variables/variables.index"]["bytes"] == 1
    assert sorted(about) == [
        "assets.extra/metadata.json", "saved_model.pb", "variables/variables.index",
    ]  # fmt: skip


def test_what_is_there_is_not_sent_again(bucket_server, base):
    add(base, 1)
    sent(base)
    add(base, 2)
    bucket_server.requests.clear()
    assert sent(base) == [f"published s3://{BUCKET}/models/brain_mri/2"]
    assert all(entry.split()[1].startswith("2/") for entry in written(bucket_server))
    assert sent(base) == []


def test_the_newest_version_comes_first_as_servers_follow(bucket_server, base):
    for number in (9, 10, 11):
        add(base, number)
    assert [said.rpartition("/")[2] for said in sent(base)] == ["11", "10", "9"]


def test_a_version_that_could_be_sent_in_part_only_is_none_and_is_finished_later(
    bucket_server, base
):
    add(base, 1)
    sent(base)
    add(base, 2)
    bucket_server.trouble = lambda method, path: (
        refuse("403 Forbidden", "AccessDenied")
        if method == "PUT" and path.endswith("2/saved_model.pb")
        else None
    )
    with pytest.raises(BucketError, match=r"2/saved_model.pb: access is denied"):
        sent(base)
    assert any("/2/" in key for key in bucket_server.listed())
    assert whole() == ["1"]
    assert behind(base) == [2]

    bucket_server.trouble = None
    sent(base)
    assert whole() == ["1", "2"]
    assert behind(base) == []


def test_an_object_that_somebody_removed_is_put_back_while_the_version_is_served(
    bucket_server, base
):
    add(base, 1)
    sent(base)
    bucket_server.delete("models/brain_mri/1/variables/variables.index")
    assert behind(base) == [1]
    bucket_server.requests.clear()
    sent(base)
    assert written(bucket_server) == ["PUT 1/variables/variables.index", f"PUT 1/{FILES}"]
    assert behind(base) == []


def test_an_object_that_is_shorter_is_sent_again(bucket_server, base):
    add(base, 1, b"a long graph")
    sent(base)
    bucket_server.put("models/brain_mri/1/saved_model.pb", b"a lo")
    assert behind(base) == [1]
    sent(base)
    assert bucket_server.get("models/brain_mri/1/saved_model.pb") == b"a long graph"


def test_an_object_of_another_content_is_sent_again_though_its_size_is_the_same(
    bucket_server, base
):
    add(base, 1)
    sent(base)
    good = bucket_server.get("models/brain_mri/1/saved_model.pb")
    bucket_server.put("models/brain_mri/1/saved_model.pb", bytes(len(good)))
    assert behind(base) == [1]
    assert len(sent(base)) == 1
    assert bucket_server.get("models/brain_mri/1/saved_model.pb") == good
    assert (behind(base), sent(base)) == ([], [])


def test_an_object_that_does_not_belong_to_a_version_is_removed(bucket_server, base):
    add(base, 1)
    sent(base)
    before = bucket_server.listed()
    bucket_server.put("models/brain_mri/1/variables/more", b"more")
    assert len(sent(base)) == 1
    assert bucket_server.listed() == before
    assert sent(base) == []


def test_a_version_that_somebody_else_is_sending_is_refused(bucket_server, base):
    bucket_server.put("models/brain_mri/1/variables/variables.index", b"theirs")
    add(base, 1)
    with pytest.raises(UsageError, match="holds another version 1, which is not from this work"):
        sent(base)
    assert len(bucket_server.listed()) == 1


def test_a_version_that_is_gone_here_goes_there_its_graph_first(bucket_server, base):
    for number in (1, 2):
        add(base, number)
    sent(base)
    for path in sorted((base / "1").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (base / "1").rmdir()
    bucket_server.requests.clear()
    assert sent(base) == [f"removed s3://{BUCKET}/models/brain_mri/1"]
    assert written(bucket_server)[0] == "DELETE 1/saved_model.pb"
    assert {key.split("/")[2] for key in bucket_server.listed()} == {"2"}


def test_what_others_have_sent_stays(bucket_server, base):
    bucket_server.put("models/brain_mri/1/saved_model.pb", b"theirs")
    bucket_server.put("models/brain_mri/README", b"theirs")
    bucket_server.put("models/other/9/saved_model.pb", b"theirs")
    add(base, 2)
    sent(base)
    assert bucket_server.get("models/brain_mri/1/saved_model.pb") == b"theirs"
    assert len(bucket_server.listed()) == 3 + 4


@pytest.mark.parametrize(
    ("theirs", "says"),
    [
        (3, r"holds version 3, which is not from this work folder and which servers would prefer"),
        (2, r"holds another version 2, which is not from this work folder"),
    ],
)
def test_a_folder_where_somebody_else_publishes_is_refused(bucket_server, base, theirs, says):
    bucket_server.put(f"models/brain_mri/{theirs}/saved_model.pb", b"theirs")
    add(base, 2)
    with pytest.raises(UsageError, match=says):
        sent(base)
    assert len(bucket_server.listed()) == 1


def test_a_work_folder_that_forgot_knows_its_own_versions_again(bucket_server, base):
    add(base, 1)
    sent(base)
    base.with_name("brain_mri.published.json").unlink()
    set_bucket(base, f"s3://{BUCKET}/models")
    assert sent(base) == []
    assert set(read_publication(base).versions) == {1}


def test_another_place_gets_all_versions_and_the_old_one_keeps_its_own(bucket_server, base):
    add(base, 1)
    sent(base)
    set_bucket(base, f"s3://{BUCKET}/elsewhere")
    add(base, 2)
    assert len(sent(base)) == 2
    assert whole(BucketFolder(BUCKET, "elsewhere/brain_mri")) == ["1", "2"]
    assert whole() == ["1"]


def test_where_no_bucket_was_named_nobody_is_asked(tmp_path):
    base = tmp_path / "brain_mri"
    add(base, 1)
    assert sent(base) == []
    assert behind(base) == []


def test_what_is_written_down_of_the_bucket_may_be_damaged(tmp_path):
    (tmp_path / "brain_mri.published.json").write_text("{")
    with pytest.raises(BucketError, match="cannot be read: remove it, and name the bucket again"):
        read_publication(tmp_path / "brain_mri")
