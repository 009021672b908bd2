import csv
import os
from collections import Counter
from dataclasses import replace

import pytest
from surveys import record, records, remembered, renamed, survey_of

from components.errors import PipelineError
from components.ingest.config import IngestConfig
from components.ingest.history import History
from components.ingest.splits import assign_splits, remember, write_splits

NOTHING = History.empty()


def _assign(images, policy="leak_free", history=NOTHING, split_file=None, **likeness):
    """Split by image name."""
    config = IngestConfig(split_policy=policy, split_file=split_file, classes=("a", "b"))
    survey = survey_of(images, history=history, **likeness)
    assignment = assign_splits(survey, config, history)
    return dict(zip([image.name for image in images], assignment.splits, strict=True))


def test_eval_is_a_tenth_of_each_class():
    images = records(100) + records(30, "test")
    splits = _assign(images)
    counts = Counter((image.label, splits[image.name]) for image in images)
    for label in ("a", "b"):
        assert counts[label, "train"] == 90
        assert counts[label, "eval"] == 10
        assert counts[label, "test"] == 30


@pytest.mark.parametrize("policy", ["leak_free", "group", "as_is"])
def test_class_folders_alone_get_a_test_split_too(policy):
    counts = Counter(_assign(records(100), policy).values())
    assert counts == {"train": 144, "eval": 16, "test": 40}


def test_group_splits_everything_anew():
    images = records(70) + records(30, "test")
    splits = _assign(images, "group")
    assert Counter(splits.values()) == {"train": 144, "eval": 16, "test": 40}
    assert any(splits[image.name] != "test" for image in images if image.folder_split == "test")


@pytest.mark.parametrize("policy", ["leak_free", "as_is"])
def test_given_sides_are_kept(policy):
    images = records(10) + records(5, "eval") + records(5, "test")
    splits = _assign(images, policy)
    assert all(splits[image.name] == image.folder_split for image in images)


def test_draw_depends_on_content_alone():
    images = records(50) + records(5, "test")
    splits = _assign(images)
    again = _assign([renamed(image) for image in reversed(images)])
    assert again == {"x" + name: split for name, split in splits.items()}


@pytest.mark.parametrize("policy", ["leak_free", "group", "as_is"])
def test_groups_are_drawn_whole(policy):
    images = records(50)
    alike = [[f"train-{label}-{i:03}" for i in range(j, j + 5)]
             for label in "ab" for j in range(0, 50, 5)]  # fmt: skip
    splits = _assign(images, policy, alike=alike)
    for group in alike:
        assert len({splits[image.name] for image in images if image.picture in group}) == 1
    assert set(splits.values()) == {"train", "eval", "test"}


def test_training_images_like_a_test_image_are_set_aside_with_their_group():
    images = records(20) + records(5, "test")
    alike = [["test-a-000", "train-a-003", "train-a-004"], ["test-b-001", "train-b-007"]]
    splits = _assign(images, alike=alike)
    out = {name for name, split in splits.items() if split == "excluded"}
    assert out == {"train/a/train-a-003.png", "train/a/train-a-004.png", "train/b/train-b-007.png"}
    assert splits["test/a/test-a-000.png"] == "test"

    splits = _assign(images, "as_is", alike=alike)
    assert "excluded" not in splits.values()


def test_given_eval_images_like_a_test_image_are_set_aside_too():
    images = records(10) + records(5, "eval") + records(5, "test")
    alike = [["test-a-000", "eval-a-001"], ["eval-b-000", "train-b-001"]]
    splits = _assign(images, alike=alike)
    out = {name for name, split in splits.items() if split == "excluded"}
    assert out == {"eval/a/eval-a-001.png", "train/b/train-b-001.png"}


@pytest.mark.parametrize("policy", ["leak_free", "group"])
def test_a_found_pair_never_stands_on_two_sides_even_where_its_group_was_taken_apart(policy):
    images = records(30) + records(10, "test")
    pairs = [(f"train-a-{i:03}", f"test-a-{i % 10:03}") for i in range(20)]
    pairs += [(f"train-b-{i:03}", f"train-b-{i + 1:03}") for i in range(0, 20, 2)]
    splits = _assign(images, policy, pairs=pairs)
    side = {image.picture: splits[image.name] for image in images}
    for one, other in pairs:
        assert side[one] == side[other] or "excluded" in (side[one], side[other])


def test_what_is_left_across_is_counted_under_as_is():
    images = records(20) + records(5, "test")
    survey = survey_of(images, pairs=[("train-a-000", "test-a-000")])
    config = IngestConfig(split_policy="as_is", classes=("a", "b"))
    assert assign_splits(survey, config, NOTHING).remaining_cross_split == 1
    config = IngestConfig(split_policy="leak_free", classes=("a", "b"))
    assert assign_splits(survey, config, NOTHING).remaining_cross_split == 0


@pytest.mark.parametrize("policy", ["leak_free", "group"])
def test_once_in_test_never_in_training(policy, tmp_path):
    images = records(60)
    first = survey_of(images)
    config = IngestConfig(split_policy=policy, classes=("a", "b"))
    splits = assign_splits(first, config, NOTHING).splits
    remember(first, splits, NOTHING, tmp_path)
    history = History.read(tmp_path)
    was_test = {i.picture for i, split in zip(images, splits, strict=True) if split == "test"}

    # Later: half of the old images, copies of others that looked like test ones, and new ones.
    copies = [record(f"copy-of-{picture}", picture.split("-")[1]) for picture in sorted(was_test)]
    later = images[::2] + copies + [record(f"new-{i:03}", "ab"[i % 2]) for i in range(60)]
    alike = [[picture, f"copy-of-{picture}"] for picture in was_test]
    side = _assign(later, policy, history, alike=alike)
    for image in later:
        if image.picture in was_test or image.picture.removeprefix("copy-of-") in was_test:
            assert side[image.name] == "test"
        elif image.picture in {i.picture for i in images}:
            assert side[image.name] != "test"

    # Much later, when neither is in the folder any longer, it is still known.
    second = survey_of(later, history=history, alike=alike)
    remember(second, [side[image.name] for image in later], history, tmp_path)
    longer = History.read(tmp_path)
    assert len(longer.pictures) == len(set(longer.pictures)) == len(longer.signatures)
    assert {longer.splits_by_picture()[picture] for picture in was_test} == {"test"}


def test_a_training_folder_cannot_take_back_what_was_in_test():
    history = remembered(old="test", older="train")
    images = [record("old"), record("like-old"), *records(20), *records(5, "test")]
    splits = _assign(images, history=history, alike=[["old", "like-old"]])
    assert splits["train/a/old.png"] == splits["train/a/like-old.png"] == "excluded"


def test_history_of_an_excluded_image_is_kept(tmp_path):
    history = remembered(old="test")
    survey = survey_of([record("old"), *records(20), *records(5, "test")], history=history)
    splits = assign_splits(survey, IngestConfig(classes=("a", "b")), history).splits
    assert splits[0] == "excluded"
    remember(survey, splits, history, tmp_path)
    assert History.read(tmp_path).splits_by_picture()["old"] == "test"


def test_history_is_read_as_it_was_written(tmp_path):
    history = remembered(one="test", two="train")
    history = replace(history, patients=("patient 1", None))
    history.write(tmp_path)
    again = History.read(tmp_path)
    assert (again.pictures, again.patients, again.splits) == (
        history.pictures, history.patients, history.splits)  # fmt: skip
    assert again.signatures.shape == history.signatures.shape


def test_splits_are_written_edited_and_fed_back(tmp_path):
    odd = os.fsdecode(b'train/a/\xff, "quoted"\n.png')
    images = [replace(record("odd"), name=odd), *records(20), *records(5, "test")]
    survey = survey_of(images)
    config = IngestConfig(classes=("a", "b"))
    splits = assign_splits(survey, config, NOTHING).splits
    path = tmp_path / "splits.csv"
    write_splits(path, survey, splits)
    assert _assign(images, split_file=path) == dict(
        zip([image.name for image in images], splits, strict=True)
    )

    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["split"] = "test"
    rows[1]["split"] = "excluded"
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    fed_back = _assign(images, split_file=path)
    assert fed_back[odd] == "test"
    assert fed_back[images[1].name] == "excluded"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"", "no CSV with the columns"),
        (b"a,b\n1,2\n", "no CSV with the columns"),
        (b"name,frame,split\nx,zero,test\n", "no CSV with the columns"),
        (b"name,frame,split\nx,0,tset\n", "'tset'"),
        (b"name,frame,split\nx\n", "no CSV with the columns"),
    ],
)
def test_a_split_file_that_cannot_be_used_is_refused(tmp_path, content, says):
    path = tmp_path / "splits.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PipelineError, match=says):
        _assign(records(20) + records(5, "test"), split_file=path)


def test_too_few_images_are_refused():
    with pytest.raises(PipelineError, match="The eval split is empty"):
        _assign(records(2) + records(2, "test"))
