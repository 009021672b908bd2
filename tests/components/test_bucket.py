"""A bucket over HTTP: what is listed, fetched and sent, and what is said where that fails."""

import sys
from pathlib import Path

import pytest
from bucket_server import BUCKET, cut_off, refuse

from components.bucket import BucketError, BucketFolder, client, is_uri
from components.errors import UsageError

pytestmark = pytest.mark.long

FOLDER = BucketFolder(BUCKET, "data/mri")


@pytest.mark.parametrize(
    ("uri", "bucket", "prefix", "shown"),
    [
        ("s3://hospital", "hospital", "", "s3://hospital"),
        ("s3://hospital/", "hospital", "", "s3://hospital"),
        ("s3://hospital/a b/Ü/", "hospital", "a b/Ü", "s3://hospital/a b/Ü"),
    ],
)
def test_what_names_a_folder_in_a_bucket(uri, bucket, prefix, shown):
    folder = BucketFolder.of(uri)
    assert (folder.bucket, folder.prefix, str(folder)) == (bucket, prefix, shown)


@pytest.mark.parametrize(
    "uri", ["s3:/hospital/x", "s3://", "s3://A_B/x", "gs://hospital", "/x", ""]
)
def test_what_does_not(uri):
    with pytest.raises(UsageError, match=r"names no bucket: write s3://BUCKET/FOLDER\."):
        BucketFolder.of(uri)


def test_only_s3_is_taken_for_a_bucket():
    assert is_uri("s3://a/b")
    assert not is_uri(Path("/s3/a"))


def test_a_folder_is_listed_and_fetched_as_it_was_sent(bucket_server, tmp_path):
    contents = {"a/1.png": b"one", "a/2.png": b"", "b/ü *?.png": b"x" * 3_000_000}
    for name, content in contents.items():
        path = tmp_path / "sent" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    FOLDER.put((name, tmp_path / "sent" / name) for name in contents)
    bucket_server.put("data/mri-of-others/c.png", b"not below the folder")
    bucket_server.put("data/mri/a/", b"")  # a marker that a console leaves

    found = FOLDER.objects()

    assert {one.name: one.size for one in found} == {n: len(c) for n, c in contents.items()}
    (tmp_path / "fetched").mkdir()
    FOLDER.fetch(found, tmp_path / "fetched")
    assert {n: (tmp_path / "fetched" / n).read_bytes() for n in contents} == contents


def test_a_listing_has_as_many_pages_as_it_takes(bucket_server, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    for number in range(7):
        bucket_server.put(f"data/mri/{number}")
    bucket_server.requests.clear()
    assert len(FOLDER.objects()) == 7
    assert len(bucket_server.requests) == 3


@pytest.mark.parametrize(
    "key", ["../out.png", "a/../../out.png", "/etc/passwd", "a//b.png", "./b.png", "x" * 256]
)
def test_an_object_whose_name_no_file_can_have_is_refused(bucket_server, tmp_path, key):
    bucket_server.put(f"data/mri/{key}")
    stored = FOLDER.objects()
    with pytest.raises(BucketError, match="has a name that no file can have"):
        FOLDER.fetch(stored, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_would_be_a_folder_too_is_refused(bucket_server, tmp_path):
    bucket_server.put("data/mri/a", b"file")
    bucket_server.put("data/mri/a/b.png", b"below it")
    with pytest.raises(BucketError, match="a/b.png is below a name that is an obj"):
        FOLDER.fetch(FOLDER.objects(), tmp_path)


def test_an_object_that_is_replaced_while_it_is_fetched_is_not_taken(bucket_server, tmp_path):
    bucket_server.put("data/mri/a.png", b"before")
    listed = FOLDER.objects()
    bucket_server.put("data/mri/a.png", b"after!")
    with pytest.raises(BucketError, match=r"s3://hospital/data/mri/a.png: it was replaced meanwh"):
        FOLDER.fetch(listed, tmp_path)


def test_an_object_that_is_gone_is_named(bucket_server, tmp_path):
    bucket_server.put("data/mri/a.png", b"before")
    listed = FOLDER.objects()
    bucket_server.delete("data/mri/a.png")
    with pytest.raises(BucketError, match=r"data/mri/a.png: it is no longer there \(at http"):
        FOLDER.fetch(listed, tmp_path)


def test_a_store_that_has_trouble_for_a_moment_is_asked_again(bucket_server):
    bucket_server.put("data/mri/a.png", b"x")
    troubles = [refuse("503 Slow Down", "SlowDown")]
    bucket_server.trouble = lambda method, path: troubles.pop() if troubles else None
    assert [one.name for one in FOLDER.objects()] == ["a.png"]


def test_a_transfer_that_breaks_off_in_the_middle_is_begun_again(bucket_server, tmp_path):
    bucket_server.put("data/mri/a.png", b"x" * 1000)
    listed = FOLDER.objects()
    bucket_server.requests.clear()
    troubles = [cut_off, cut_off]
    bucket_server.trouble = lambda method, path: troubles.pop() if troubles else None
    FOLDER.fetch(listed, tmp_path)
    assert (tmp_path / "a.png").read_bytes() == b"x" * 1000
    assert len(bucket_server.requests) == 3


def test_a_transfer_that_always_breaks_off_is_said(bucket_server, tmp_path):
    bucket_server.put("data/mri/a.png", b"x" * 1000)
    listed = FOLDER.objects()
    bucket_server.requests.clear()
    bucket_server.trouble = lambda method, path: cut_off
    with pytest.raises(BucketError, match=r"s3://hospital/data/mri/a.png: .*(at|does not answer)"):
        FOLDER.fetch(listed, tmp_path)
    assert len(bucket_server.requests) == 5


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        ("403 Forbidden", "AccessDenied", "access is denied: the credentials lack a right to it"),
        ("403 Forbidden", "InvalidAccessKeyId", "the access key is not known there"),
        ("403 Forbidden", "SignatureDoesNotMatch", "the secret key does not belong"),
        ("400 Bad Request", "ExpiredToken", "the session token has expired"),
        ("400 Bad Request", "AuthorizationHeaderMalformed", "it is in another region"),
        ("500 Internal", "InternalError", "the store failed each time it was asked: 500"),
        ("418 Teapot", "Teapot", "it is refused (418 Teapot)"),
        ("404 Not Found", "NoSuchUser", "it is not there (404 NoSuchUser)"),
    ],
)
def test_a_refusal_is_a_sentence(bucket_server, status, code, says):
    bucket_server.trouble = lambda method, path: refuse(status, code)
    with pytest.raises(BucketError) as failed:
        FOLDER.objects()
    said = str(failed.value)
    assert said.startswith("s3://hospital/data/mri: ")
    assert says in said
    assert f"(at {bucket_server.url})" in said


def test_a_bucket_that_is_not_there_is_said(bucket_server):
    with pytest.raises(BucketError, match=r"^s3://nowhere/a: there is no such bucket \(at http"):
        BucketFolder("nowhere", "a").objects()


def test_an_endpoint_that_refuses_is_named_without_its_password(bucket_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://admin:hunter2@127.0.0.1:9")
    client.cache_clear()
    with pytest.raises(BucketError) as failed:
        FOLDER.objects()
    assert "http://127.0.0.1:9 does not answer" in str(failed.value)
    assert "hunter2" not in str(failed.value)


def test_an_endpoint_that_is_none_is_said_without_it(bucket_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "admin:hunter2")
    client.cache_clear()
    with pytest.raises(UsageError, match="cannot be used.*: check AWS_ENDPOINT_URL") as failed:
        FOLDER.objects()
    assert "hunter2" not in str(failed.value)


def test_without_credentials_it_is_said_which_there_could_be(bucket_server, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    client.cache_clear()
    with pytest.raises(BucketError, match="there are no credentials for it. Set AWS_ACCESS_KEY_ID"):
        FOLDER.objects()
    assert not bucket_server.requests


def test_without_the_package_it_is_said_what_to_install(monkeypatch):
    client.cache_clear()
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(BucketError, match=r"needs the package boto3: pip install '\.\[s3\]'"):
        FOLDER.objects()
