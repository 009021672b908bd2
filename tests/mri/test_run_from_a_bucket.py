"""`mri run` on images in a bucket: what comes of them is what comes of a copy in a folder."""

from pathlib import Path

import pytest
from bucket_server import BUCKET, refuse
from toy_run import newest, node_states, run, store

pytestmark = pytest.mark.long

DATA = f"s3://{BUCKET}/incoming/images"


def upload(server, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            server.put(f"incoming/images/{name}", path.read_bytes())


def fingerprint(work: Path) -> str:
    splits = store(work).get_artifacts_by_type("SplitAssignment")
    return splits[-1].custom_properties["fingerprint"].string_value


def test_images_in_a_bucket_are_those_of_a_folder_and_no_copy_is_left(
    make_folder, tmp_path, bucket_server
):
    folder, work = make_folder(train=6, test=2), tmp_path / "work"
    upload(bucket_server, folder)

    fetched = run(DATA, work, "--to", "Ingest")
    assert fetched.returncode == 0, fetched.stderr
    of_the_bucket = fingerprint(work)
    splits = next(newest(work, "Ingest/splits").glob("splits.csv")).read_bytes()

    assert not list((work / "tmp").iterdir())
    assert not [path for path in work.rglob("*.png") if "artifacts" not in path.parts]

    # Another folder of the same name with the same files is answered with what was made of them.
    copied = run(folder, work, "--to", "Ingest")
    assert node_states(copied.stdout)["Ingest"] == "cached"
    alone = run(folder, tmp_path / "other", "--to", "Ingest")
    assert alone.returncode == 0, alone.stderr
    assert fingerprint(tmp_path / "other") == of_the_bucket
    own = next(newest(tmp_path / "other", "Ingest/splits").glob("splits.csv")).read_bytes()
    assert own == splits

    # And what changes there is noticed.
    bucket_server.delete("incoming/images/Training/glioma/000.png")
    again = run(DATA, work, "--to", "Ingest")
    assert node_states(again.stdout)["Ingest"] == "done"


def test_a_bucket_that_cannot_be_read_ends_the_run_with_a_sentence(tmp_path, bucket_server):
    nothing = run(DATA, tmp_path / "work", "--to", "Ingest")
    assert nothing.returncode == 2
    assert nothing.stderr == (
        f"mri: {DATA} holds no objects; --data takes a folder of class folders.\n"
    )
    bucket_server.trouble = lambda method, path: refuse("403 Forbidden", "AccessDenied")
    denied = run(DATA, tmp_path / "work", "--to", "Ingest")
    assert denied.returncode == 1
    assert denied.stderr.startswith(f"mri: {DATA}: access is denied")
    wrong = run("s3://A_B/x", tmp_path / "work", "--to", "Ingest")
    assert wrong.stderr.startswith("mri: s3://A_B/x names no bucket: write s3://BUCKET/FOLDER.")
