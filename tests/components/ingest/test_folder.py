import errno
import os
from pathlib import Path

import pytest

from components.errors import PipelineError
from components.ingest.folder import list_images


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.mark.parametrize(
    ("folder", "split"),
    [("Training", "train"), ("train", "train"), ("val", "eval"), ("Testing", "test")],
)
def test_split_folders_are_known_by_name(tmp_path, folder, split):
    _touch(tmp_path, f"{folder}/b/1.jpg", f"{folder}/a/1.jpg")
    listing = list_images(tmp_path)
    assert {file.folder_split for file in listing.files} == {split}
    assert listing.classes == ("a", "b")


def test_class_folders_alone_are_all_training(tmp_path):
    _touch(tmp_path, "glioma/1.jpg", "notumor/deep/2.jpg", "README.md")
    listing = list_images(tmp_path)
    assert [file.name for file in listing.files] == ["glioma/1.jpg", "notumor/deep/2.jpg"]
    assert {file.label for file in listing.files} == {"glioma", "notumor"}


def test_hidden_files_are_passed_over(tmp_path):
    _touch(tmp_path, "a/1.jpg", "a/.DS_Store", "b/2.jpg", ".git/c/3.jpg")
    assert len(list_images(tmp_path).files) == 2


def test_names_may_be_unicode_long_or_no_utf8(tmp_path):
    long = "x" * 240
    _touch(tmp_path, f"a/{long}.jpg", "a/脑-МРТ-é.jpg", "b/1.jpg")
    Path(os.fsdecode(os.fsencode(str(tmp_path)) + b"/b/\xff\xfe.jpg")).write_bytes(b"x")
    listing = list_images(tmp_path)
    assert len(listing.files) == 4
    assert listing.fingerprint


def test_links_are_followed_and_loops_are_not(tmp_path):
    _touch(tmp_path, "data/a/1.jpg", "data/b/1.jpg", "disk/2.jpg", "disk/Thumbs.db")
    (tmp_path / "data" / "a" / "disk").symlink_to(tmp_path / "disk", target_is_directory=True)
    (tmp_path / "data" / "a" / "same").symlink_to(tmp_path / "disk", target_is_directory=True)
    tmp_path = tmp_path / "data"
    (tmp_path / "a" / "again.jpg").symlink_to(tmp_path / "b" / "1.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    listing = list_images(tmp_path)
    names = [file.name for file in listing.files]
    assert names == ["a/1.jpg", "a/again.jpg", "a/dangling.jpg", "a/disk/2.jpg", "b/1.jpg"]
    assert listing.passed_over == 1


def test_names_in_the_folder_one_stands_in_are_whole(tmp_path, monkeypatch):
    _touch(tmp_path, "glioma/1.jpg", "notumor/2.jpg")
    monkeypatch.chdir(tmp_path)
    listing = list_images(Path())
    assert [file.name for file in listing.files] == ["glioma/1.jpg", "notumor/2.jpg"]
    assert listing.name == tmp_path.name


def test_fingerprint_changes_with_any_file(tmp_path):
    _touch(tmp_path, "a/1.jpg", "b/1.jpg")
    before = list_images(tmp_path).fingerprint
    assert list_images(tmp_path).fingerprint == before
    (tmp_path / "a" / "1.jpg").write_bytes(b"xy")
    changed = list_images(tmp_path).fingerprint
    (tmp_path / "a" / "1.jpg").rename(tmp_path / "a" / "2.jpg")
    assert len({before, changed, list_images(tmp_path).fingerprint}) == 3


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "0 class folders"),
        (["a/1.jpg"], "1 class folder"),
        (["Training/a/1.jpg"], "at least two"),
    ],
)
def test_too_few_classes_are_refused(tmp_path, names, says):
    _touch(tmp_path, *names)
    with pytest.raises(PipelineError, match=says):
        list_images(tmp_path)


def test_one_class_is_enough_to_evaluate_on(tmp_path):
    with pytest.raises(PipelineError, match="0 class folders, and at least one is needed"):
        list_images(tmp_path, least=1)
    _touch(tmp_path, "a/1.jpg")
    assert list_images(tmp_path, least=1).classes == ("a",)


def test_missing_file_or_empty_folders_are_refused(tmp_path):
    with pytest.raises(PipelineError, match="There is no folder"):
        list_images(tmp_path / "nowhere")
    _touch(tmp_path, "file")
    with pytest.raises(PipelineError, match="There is no folder"):
        list_images(tmp_path / "file")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(PipelineError, match="hold no file"):
        list_images(tmp_path)


def test_the_newest_spans_are_listed(tmp_path):
    for span in ("span-001", "span-002", "span-010"):
        _touch(tmp_path, f"{span}/Training/a/1.jpg", f"{span}/Testing/b/1.jpg")
    _touch(tmp_path, "span-999.partial/a/1.jpg", "README.md")
    newest = list_images(tmp_path)
    assert newest.spans == (10,)
    assert [file.name for file in newest.files] == [
        "span-010/Testing/b/1.jpg",
        "span-010/Training/a/1.jpg",
    ]
    assert {(file.span, file.folder_split) for file in newest.files} == {
        (10, "test"),
        (10, "train"),
    }
    assert list_images(tmp_path, window=2).spans == (2, 10)
    assert list_images(tmp_path, span=2, window=9).spans == (1, 2)


def test_a_span_that_is_not_there_is_refused(tmp_path):
    _touch(tmp_path, "span-001/a/1.jpg", "span-001/b/1.jpg")
    with pytest.raises(PipelineError, match=r"no folder span-007; it has 1\."):
        list_images(tmp_path, span=7)
    _touch(tmp_path / "plain", "a/1.jpg", "b/1.jpg")
    with pytest.raises(PipelineError, match="no folder span-001; it has none"):
        list_images(tmp_path / "plain", span=1)


def test_class_names_are_composed(tmp_path):
    _touch(tmp_path, "e\u0301tage/1.jpg", "b/1.jpg")
    listing = list_images(tmp_path)
    assert listing.classes == ("b", "\u00e9tage")
    assert {file.label for file in listing.files} == {"b", "\u00e9tage"}


def test_a_file_that_vanishes_while_listing_is_not_found(tmp_path, monkeypatch):
    _touch(tmp_path, "a/1.jpg", "b/1.jpg", "b/2.jpg")
    stat = os.stat

    def vanishing(path, *args, **kwargs):
        if str(path).endswith("2.jpg"):
            Path(path).unlink(missing_ok=True)
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", vanishing)
    assert len(list_images(tmp_path).files) == 2


def test_a_class_folder_that_is_away_for_a_while_is_not_passed_over(tmp_path, monkeypatch):
    _touch(tmp_path, "a/1.jpg", "b/1.jpg", "c/1.jpg")
    real = Path.stat

    def away(path, **how):
        if path.name == "c":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(path, **how)

    monkeypatch.setattr(Path, "stat", away)
    with pytest.raises(PipelineError, match="cannot be listed: Stale file handle"):
        list_images(tmp_path)


def test_a_very_large_folder_is_listed(tmp_path, monkeypatch):
    _touch(tmp_path, "a/1.jpg", "b/1.jpg")
    real, one = os.stat, (tmp_path / "a" / "1.jpg").stat()
    names = [f"{number}.jpg" for number in range(25_000)]
    monkeypatch.setattr(os, "walk", lambda folder, **_: [(str(folder), [], names)])
    monkeypatch.setattr(
        os, "stat", lambda path, **how: one if str(path).endswith(".jpg") else real(path, **how)
    )
    listing = list_images(tmp_path)
    assert len(listing.files) == 50_000
    assert listing.files[0].name == "a/0.jpg"
    assert len(listing.fingerprint) == 64


def test_what_systems_leave_is_neither_a_class_nor_a_file(tmp_path):
    _touch(
        tmp_path, "Training/a/1.jpg", "Training/b/2.jpg", "Training/a/Thumbs.db",
        "Training/a/@eaDir/1.jpg", "Training/__MACOSX/._1.jpg", "__MACOSX/x/1.jpg", "desktop.ini",
        "$RECYCLE.BIN/x/3.jpg", "Training/b/deep/3.jpg.part", "README.md",
    )  # fmt: skip
    listing = list_images(tmp_path)
    assert [file.name for file in listing.files] == ["Training/a/1.jpg", "Training/b/2.jpg"]
    assert listing.classes == ("a", "b")
    assert listing.passed_over == 7
    fingerprint = listing.fingerprint
    _touch(tmp_path, "Training/b/Thumbs.db")
    assert list_images(tmp_path).fingerprint == fingerprint


@pytest.mark.parametrize("layout", ["{}", "span-001/{}", "span-001/train/{}"])
def test_what_is_passed_over_is_counted_once(tmp_path, layout):
    _touch(tmp_path, *(layout.format(name) for name in ("a/1.jpg", "b/2.jpg", ".DS_Store")))
    _touch(tmp_path, "Thumbs.db")
    assert list_images(tmp_path).passed_over == 2


def test_the_same_number_twice_is_refused_with_both_names(tmp_path):
    _touch(tmp_path, "span-1/a/1.jpg", "span-001/b/1.jpg", "span-2/a/1.jpg")
    with pytest.raises(PipelineError, match=r"span-001 and span-1 .* have the same number"):
        list_images(tmp_path, span=2)


def test_a_link_to_a_span_is_one(tmp_path):
    _touch(tmp_path, "disk/images/a/1.jpg", "disk/images/b/1.jpg")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "span-004").symlink_to(tmp_path / "disk" / "images")
    assert list_images(tmp_path / "data").spans == (4,)
