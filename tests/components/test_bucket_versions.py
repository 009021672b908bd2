"""A version from a bucket on this machine: whole and as it was published, or not at all."""

from pathlib import Path

import pytest
from bucket_server import BUCKET

from components.bucket import BucketError, BucketFolder
from components.bucket_versions import (
    BucketVersion,
    VersionCache,
    describe_files,
    list_versions,
    send_version,
)

pytestmark = pytest.mark.long

MODEL = BucketFolder(BUCKET, "brain_mri")
VARIABLES = "brain_mri/1/variables/variables.index"


@pytest.fixture
def version(tmp_path, bucket_server) -> BucketVersion:
    folder = tmp_path / "1"
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "variables.index").write_bytes(b"index")
    (folder / "saved_model.pb").write_bytes(b"graph")
    send_version(folder, describe_files(folder), MODEL / "1")
    return list_versions(MODEL)["1"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_version_is_there_as_it_was_sent(version, tmp_path, kept, bucket_server):
    cache = VersionCache(tmp_path / "cache" if kept else None)
    for _ in range(2):
        with cache.fetched(version) as folder:
            assert (folder / "variables" / "variables.index").read_bytes() == b"index"
    fetched = [path for _, path in bucket_server.requests if path.endswith("saved_model.pb")]
    assert folder.exists() is kept
    assert len(fetched) == (2 if not kept else 1) + 2  # it was removed and sent before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"other", r"brain_mri/1 is damaged: variables/variables.index is not what was published"),
        (b"in", r"brain_mri/1 is not whole: variables/variables.index has 2 of 5 bytes"),
    ],
)
def test_a_version_that_is_not_what_was_published_is_not_there(
    version, tmp_path, bucket_server, content, says
):
    bucket_server.put(VARIABLES, content)
    cache = VersionCache(tmp_path / "cache")
    with pytest.raises(BucketError, match=says):
        with cache.fetched(version.listed_again()):
            pass
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_what_could_not_be_loaded_is_fetched_anew(version, tmp_path):
    cache = VersionCache(tmp_path / "cache")
    with pytest.raises(ValueError, match="no model"):
        with cache.fetched(version) as folder:
            raise ValueError("no model")
    assert not Path(folder).exists()
