import os

import pytest

from imaging.leftovers import Leftovers, is_leftover


@pytest.mark.parametrize(
    "name",
    [
        "Thumbs.db", "THUMBS.DB", "ehthumbs.db", "desktop.ini", "Desktop.ini", ".DS_Store",
        "._scan.jpg", ".hidden.png", ".keep", ".~lock.labels.csv#", "~$labels.xlsx", "Icon\r",
        "DICOMDIR", "dicomdir", "scan.dcm.part", "scan.jpg.crdownload", "Unconfirmed 1.crdownload",
        "upload.tmp", "a.TEMP", "scan.png~", "#scan.png#", "x.swp", ".", "autorun.inf",
    ],
)  # fmt: skip
def test_files_that_systems_leave_are_left_over(name):
    assert is_leftover(name)


@pytest.mark.parametrize(
    "name",
    [
        "__MACOSX", ".ipynb_checkpoints", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found",
        "System Volume Information", ".fseventsd", ".git", ".Trash-1000", "__pycache__",
    ],
)  # fmt: skip
def test_folders_that_systems_leave_are_left_over(name):
    assert is_leftover(name, folder=True)
    assert is_leftover(name) == name.startswith(".")


@pytest.mark.parametrize(
    "name",
    [
        "scan.jpg", "README", "README.md", "LICENSE", "labels.csv", "IM000001", "1.2.840.1", "tmp",
        "part", "thumbs", "scan.tmp.png", "Thumbs.db.png", "DICOMDIR.dcm", "icon", "a#b",
        "脑.nii.gz", "desktop", "temporary", "empty.png", "x.part1",
    ],
)  # fmt: skip
def test_what_people_bring_is_not(name):
    assert not is_leftover(name)
    assert not is_leftover(name, folder=True)


def test_lists_the_rest_and_counts_what_is_passed_over(tmp_path):
    for name in (
        "a/1.png",
        "a/Thumbs.db",
        "a/__MACOSX/._1.png",
        "a/b/2.png",
        "a/.git/x",
        "out/3.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    leftovers = Leftovers()
    found = leftovers.files(tmp_path, print, without=os.path.realpath(tmp_path / "out"))
    assert sorted(found) == [str(tmp_path / "a" / "1.png"), str(tmp_path / "a" / "b" / "2.png")]
    assert leftovers.count == 3
