import csv
import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from surveys import NO_TAGS, record, records, remembered, renamed, survey_of

from components.errors import PipelineError
from components.ingest import history as history_module
from components.ingest.config import IngestConfig
from components.ingest.duplicates import Pairs
from components.ingest.history import History
from components.ingest.splits import SPLIT_FILE, assign_splits, remember, write_splits

NOTHING = History()


def _assign(images, policy="leak_free", history=NOTHING, split_file=None, **likeness):
    """Split by image name."""
    config = IngestConfig(split_policy=policy, split_file=split_file, classes=("a", "b"))
    survey = survey_of(images, history=history, **likeness)
    assignment = assign_splits(survey, config, history)
    return dict(zip([image.name for image in images], assignment.splits, strict=True))


def _split_file(path, **sides):
    """A split file that gives some images a side, by picture and by a train folder's class `a`."""
    rows = [f"train/a/{picture}.png,0,{side}\n" for picture, side in sides.items()]
    path.write_text("name,frame,split\n" + "".join(rows))
    return path


def _excluded(splits):
    return {name for name, split in splits.items() if split == "excluded"}


def test_eval_is_a_tenth_of_each_class():
    images = records(100) + records(30, "test")
    splits = _assign(images)
    counts = Counter((image.label, splits[image.name]) for image in images)
    for label in ("a", "b"):
        assert counts[label, "train"] == 90
        assert counts[label, "eval"] == 10
        assert counts[label, "test"] == 30


@pytest.mark.parametrize(("images", "drawn"), [(6, 1), (14, 1), (17, 2)])
def test_a_share_is_rounded_to_the_nearest_image(images, drawn):
    splits = _assign(records(images) + records(5, "test"))
    assert Counter(splits.values()) == {
        "train": 2 * (images - drawn),
        "eval": 2 * drawn,
        "test": 10,
    }


def test_a_share_counts_what_earlier_ingestions_put_on_a_side():
    images = records(200)
    number = {image.picture: int(image.picture[-3:]) for image in images}
    earlier = {p: "eval" if n < 10 else "train" for p, n in number.items() if n < 100}
    images += records(5, "test")
    splits = _assign(images, history=remembered(**earlier))
    for image in images:
        assert splits[image.name] == earlier.get(image.picture, splits[image.name])
    counts = Counter((image.label, splits[image.name]) for image in images)
    assert counts["a", "eval"] == counts["b", "eval"] == 20


@pytest.mark.parametrize(
    ("labels", "side"), [("abb", "eval"), ("aab", "train"), ("ab", "train"), ("ba", "train")]
)
def test_a_group_counts_for_the_class_of_most_of_its_images_then_for_the_first(labels, side):
    # Of 10 images of b one is wanted for eval, of 4 of a none; the group is the first in the draw.
    group = [record(f"0-{place}", label) for place, label in enumerate(labels)]
    others = [
        *records(4 - labels.count("a"), labels="a"),
        *records(10 - labels.count("b"), labels="b"),
    ]
    alike = [[image.picture for image in group]]
    splits = _assign(group + others + records(5, "test"), alike=alike)
    assert {splits[image.name] for image in group} == {side}
    assert ("eval" in {splits[image.name] for image in others}) == (side != "eval")


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


def test_of_a_patient_on_several_given_sides_only_test_then_eval_is_kept(tmp_path):
    images = records(10) + records(5, "eval") + records(5, "test")
    file = _split_file(tmp_path / "splits.csv", **{"train-a-001": "train", "train-a-002": "train"})
    patients = [
        ["eval-a-000", "test-a-000"],
        ["train-a-001", "eval-a-001"],
        ["train-a-002", "eval-a-002", "test-a-002"],
    ]
    out = {f"train/a/train-a-00{i}.png" for i in (1, 2)}
    out |= {f"eval/a/eval-a-00{i}.png" for i in (0, 2)}
    assert _excluded(_assign(images, split_file=file, patients=patients)) == out
    assert _excluded(_assign(images[::-1], split_file=file, patients=patients)) == out


def test_images_of_a_patient_join_the_one_that_the_split_file_keeps_in_train(tmp_path):
    images = records(20) + records(5, "test")
    patient = [f"train-a-{i:03}" for i in range(4)]
    side = _assign(images, patients=[patient])
    assert {side[f"train/a/{picture}.png"] for picture in patient} == {"eval"}
    file = _split_file(tmp_path / "splits.csv", **{patient[0]: "train"})
    side = _assign(images, split_file=file, patients=[patient])
    assert {side[f"train/a/{picture}.png"] for picture in patient} == {"train"}


@pytest.mark.parametrize("order", [1, -1])
def test_where_a_chain_was_cut_test_then_eval_is_kept(order):
    images = [*records(20), *records(5, "eval"), *records(5, "test")][::order]
    pairs = [
        ("train-a-000", "test-a-000"),
        ("train-a-001", "eval-a-001"),
        ("eval-a-002", "test-a-002"),
    ]
    assert _excluded(_assign(images, pairs=pairs)) == {
        "train/a/train-a-000.png",
        "train/a/train-a-001.png",
        "eval/a/eval-a-002.png",
    }


@pytest.mark.parametrize("order", [1, -1])
def test_nothing_is_set_aside_for_likeness_to_what_is_itself_set_aside(order):
    images = [*records(20), *records(5, "eval"), *records(5, "test")][::order]
    patients, pairs = [["test-a-000", "eval-a-000"]], [("eval-a-000", "train-a-000")]
    assert _excluded(_assign(images, patients=patients, pairs=pairs)) == {"eval/a/eval-a-000.png"}


@pytest.mark.parametrize("policy", ["leak_free", "group"])
def test_a_found_pair_never_stands_on_two_sides_even_where_its_group_was_taken_apart(policy):
    images = records(30) + records(10, "test")
    pairs = [(f"train-a-{i:03}", f"test-a-{i % 10:03}") for i in range(20)]
    pairs += [(f"train-b-{i:03}", f"train-b-{i + 1:03}") for i in range(0, 20, 2)]
    splits = _assign(images, policy, pairs=pairs)
    side = {image.picture: splits[image.name] for image in images}
    for one, other in pairs:
        assert side[one] == side[other] or "excluded" in (side[one], side[other])


@pytest.mark.parametrize("policy", ["leak_free", "group"])
def test_a_copy_of_an_image_that_matches_across_a_cut_is_set_aside_with_it(policy):
    """Of identical pictures the search compares one."""
    images = [*records(30), *records(10, "test"), renamed(record("train-a-000", "a"))]
    survey = survey_of(images, pairs=[("train-a-000", "test-a-000")])
    copy = len(images) - 1
    found = survey.grouping.pairs
    compared = (found.second != copy) | (found.first == 0)
    pairs = Pairs(found.first[compared], found.second[compared], found.correlation[compared])
    survey = replace(survey, grouping=replace(survey.grouping, pairs=pairs))
    config = IngestConfig(split_policy=policy, classes=("a", "b"))
    assignment = assign_splits(survey, config, NOTHING)
    sides = {assignment.splits[images.index(record("test-a-000", "a", "test"))]}
    sides |= {assignment.splits[0], assignment.splits[copy]}
    assert len(sides - {"excluded"}) <= 1
    assert assignment.remaining_cross_split == 0
    config = IngestConfig(split_policy="as_is", classes=("a", "b"))
    assert assign_splits(survey, config, NOTHING).remaining_cross_split == 2


def test_what_is_left_across_is_counted_under_as_is():
    images = records(20) + records(5, "test")
    survey = survey_of(images, pairs=[("train-a-000", "test-a-000")])
    config = IngestConfig(split_policy="as_is", classes=("a", "b"))
    assert assign_splits(survey, config, NOTHING).remaining_cross_split == 1
    config = IngestConfig(split_policy="leak_free", classes=("a", "b"))
    assert assign_splits(survey, config, NOTHING).remaining_cross_split == 0
    config = IngestConfig(split_policy="as_is", classes=("a", "b"))
    copies = survey_of([*images, record("train-a-000", "a", "test")])
    assert assign_splits(copies, config, NOTHING).remaining_cross_split == 1


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


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("policy", ["leak_free", "group"])
def test_a_patient_who_was_on_two_sides_before_is_in_test(policy, order):
    sides = [("older", "test"), ("old", "train")][::order]
    images = [record("new"), *records(20)]
    patients = [["older", "old", "new"]]
    splits = _assign(images, policy, remembered(**dict(sides)), patients=patients)
    assert splits["train/a/new.png"] == "test"


def test_a_test_image_like_a_training_image_that_is_gone_is_no_leak():
    survey = survey_of(
        [*records(20), *records(5, "test")],
        history=remembered(old="train", older="test", oldest="train"),
        pairs=[("test-a-000", "old"), ("older", "oldest")],
    )
    assignment = assign_splits(survey, IngestConfig(classes=("a", "b")), survey.history)
    assert "excluded" not in assignment.splits
    assert assignment.remaining_cross_split == 0


def test_images_of_earlier_ingestions_are_counted():
    history = remembered(old="train", gone="train")
    survey = survey_of([record("old"), *records(20), *records(5, "test")], history=history)
    assert assign_splits(survey, IngestConfig(classes=("a", "b")), history).remembered == 1


def test_test_is_remembered_for_good_where_images_stay_as_they_are(tmp_path):
    history = remembered(old="test")
    survey = survey_of([record("old"), *records(20), *records(5, "test")], history=history)
    config = IngestConfig(split_policy="as_is", classes=("a", "b"))
    splits = assign_splits(survey, config, history).splits
    assert splits[0] != "test"
    remember(survey, splits, history, tmp_path)
    assert History.read(tmp_path).splits_by_picture()["old"] == "test"


def test_what_is_set_aside_keeps_the_side_it_had_and_is_given_none(tmp_path):
    history = remembered(old="train")
    images = [record("old"), record("new"), *records(20), *records(5, "test")]
    alike = [["test-a-000", "old"], ["test-a-001", "new"]]
    survey = survey_of(images, history=history, alike=alike)
    splits = assign_splits(survey, IngestConfig(classes=("a", "b")), history).splits
    assert splits[:2] == ("excluded", "excluded")
    remember(survey, splits, history, tmp_path)
    sides = History.read(tmp_path).splits_by_picture()
    assert sides["old"] == "train"
    assert sides.keys() == {image.picture for image in images} - {"new"}


def test_history_of_an_excluded_image_is_kept(tmp_path):
    history = remembered(old="test")
    survey = survey_of([record("old"), *records(20), *records(5, "test")], history=history)
    splits = assign_splits(survey, IngestConfig(classes=("a", "b")), history).splits
    assert splits[0] == "excluded"
    remember(survey, splits, history, tmp_path)
    assert History.read(tmp_path).splits_by_picture()["old"] == "test"


@pytest.mark.parametrize("count", [1, 4, 5])
def test_history_is_read_as_it_was_written(count, tmp_path, monkeypatch):
    monkeypatch.setattr(history_module, "ROWS_AT_ONCE", 2)
    empty = History()
    history = History(
        pictures=tuple(f"picture {i}" for i in range(count)),
        links=tuple((f"patient {i}", "file x") if i % 2 else () for i in range(count)),
        splits=tuple(("train", "eval", "test")[i % 3] for i in range(count)),
        signatures=np.random.default_rng(0)
        .integers(-127, 128, (count, *empty.signatures.shape[1:]))
        .astype(np.int8),
    )
    history.write(tmp_path)
    again = History.read(tmp_path)
    assert (again.pictures, again.links, again.splits) == (
        history.pictures, history.links, history.splits)  # fmt: skip
    np.testing.assert_array_equal(again.signatures, history.signatures)
    assert empty.signatures.shape == (0, 80, 80)


def test_a_history_from_before_salts_were_told_apart_is_read(tmp_path):
    columns = {
        "picture": ["a", "b", "c"],
        "patient": ["patient 12ab", "file 34cd", None],
        "split": ["train", "test", "eval"],
        "signature": [bytes(6400)] * 3,
    }
    pq.write_table(pa.table(columns), tmp_path / history_module.HISTORY_FILE)
    history = History.read(tmp_path)
    assert history.links == (("patient before 12ab",), ("file 34cd",), ())
    assert history.compared.pictures == ()


def test_the_written_splits_say_what_each_image_is(tmp_path):
    images = [replace(record("one"), frame=3), record("two", "b", "test")]
    survey = survey_of(images, alike=[["two", "old"]], history=remembered(old="test"))
    path = tmp_path / SPLIT_FILE
    write_splits(path, replace(survey, seen=(False, True)), ["train", "test"])
    assert path.name == "splits.csv"
    assert path.read_text().splitlines() == [
        "name,frame,label,split,group,seen",
        "train/a/one.png,3,a,train,one,0",
        "test/b/two.png,0,b,test,two,1",
    ]


@pytest.mark.parametrize("policy", ["leak_free", "group", "as_is"])
def test_the_split_file_decides_over_the_folder(policy, tmp_path):
    images = [replace(record("moved", folder_split="test"), name="train/a/moved.png")]
    images += records(20) + records(5, "test")
    file = _split_file(tmp_path / "splits.csv", moved="train")
    assert _assign(images, policy, split_file=file)["train/a/moved.png"] == "train"


def test_splits_are_written_edited_and_fed_back(tmp_path):
    odd = os.fsdecode(b'train/a/\xff, "quoted"\r\n.png')
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
        (b"", "not a CSV file with the columns"),
        (b"frame,split\n0,test\n", "not a CSV file with the columns"),
        (b"name,split\nx,test\n", "not a CSV file with the columns"),
        (
            b"name,frame\nx,0\n",
            "columns name, frame and split: .* splits.csv of",
        ),
        (b"name,frame,split\nx,zero,test\n", "not a CSV file with the columns"),
        (b"name,frame,split\nx,0,tset\n", "'tset'"),
        (b"name,frame,split\n" + b"".join(b"%c,0,%c\n" % (i, i) for i in b"hgfedcba"), "'a'"),
        (b"name,frame,split\nx\n", "not a CSV file with the columns"),
        (b"name,frame,split\nx,0\n", "not a CSV file with the columns"),
        (b'name,frame,split\n"x"y,0,test\n', "not a CSV file with the columns"),
    ],
)
def test_a_split_file_that_cannot_be_used_is_refused(tmp_path, content, says):
    path = tmp_path / "splits.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PipelineError, match=says):
        _assign(records(20) + records(5, "test"), split_file=path)


def test_a_split_file_of_other_images_is_refused_and_a_few_strangers_are_told(tmp_path, caplog):
    images = records(20) + records(5, "test")
    file = _split_file(tmp_path / "splits.csv", elsewhere="test", anywhere="eval")
    with pytest.raises(PipelineError, match=r"None of the images .*'train/a/anywhere.png'"):
        _assign(images, split_file=file)
    file = _split_file(tmp_path / "splits.csv", elsewhere="test", **{"train-a-003": "eval"})
    assert _assign(images, split_file=file)["train/a/train-a-003.png"] == "eval"
    assert "1 of 2 images" in caplog.text


def test_a_split_file_that_a_spreadsheet_wrote_is_read(tmp_path):
    file = _split_file(tmp_path / "splits.csv", **{"train-a-003": "eval"})
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    images = records(20) + records(5, "test")
    assert _assign(images, split_file=file)["train/a/train-a-003.png"] == "eval"


def test_one_patient_id_for_all_is_named_where_it_leaves_no_split():
    tags = replace(NO_TAGS, patient="0" * 32)
    images = [replace(one, tags=tags) for one in records(20)]
    with pytest.raises(
        PipelineError, match=r"40 of 40 images are of one patient, study or file.*=ignore"
    ):
        _assign(images, patients=[[one.picture for one in images]])


def test_too_few_images_are_refused():
    with pytest.raises(PipelineError, match="The eval split is empty"):
        _assign(records(2) + records(2, "test"))
