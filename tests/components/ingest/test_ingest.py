from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from dicom_files import file as dicom_file
from dicom_files import head
from drawing import draw, encode
from ingesting import ingest
from PIL import Image

from components.errors import PipelineError
from components.ingest.component import Ingest
from components.ingest.config import IngestConfig
from components.ingest.folder import list_data
from imaging.reader import decode

pytestmark = pytest.mark.long


def _bytes(example: tf.train.Example, name: str) -> bytes:
    return example.features.feature[name].bytes_list.value[0]


def test_examples_hold_the_contract(make_folder, tmp_path):
    root = make_folder(classes=("a", "b"), train=20, test=4)
    found = ingest(root, tmp_path / "out", classes=("b", "a"))
    assert {split: len(examples) for split, examples in found.examples.items()} == {
        "train": 36,
        "eval": 4,
        "test": 8,
    }
    assert found.rejected == []
    for example in [one for examples in found.examples.values() for one in examples]:
        name = _bytes(example, "image/filename").decode()
        assert _bytes(example, "image/encoded") == (root / name).read_bytes()
        label = _bytes(example, "image/label").decode()
        assert label == Path(name).parent.name
        assert example.features.feature["image/class"].int64_list.value[0] == "ab".index(label)
        assert example.features.feature["image/height"].int64_list.value[0] == 48
        assert example.features.feature["image/width"].int64_list.value[0] == 40
        assert example.features.feature["image/seen"].int64_list.value[0] == 0
        assert 0 < example.features.feature["image/mean"].float_list.value[0] < 255
        assert str(tmp_path).encode() not in example.SerializeToString()


def test_bad_files_are_listed_and_the_good_ones_ingested(make_folder, tmp_path):
    root = make_folder(train=20, test=4)
    jpeg = encode(draw(99), "JPEG")
    bad = {
        "empty.jpg": b"",
        "text.jpg": b"hello",
        "half.jpg": jpeg[: len(jpeg) // 2],
        'naïve, "quoted"\n.jpg': b"x",
    }
    for name, content in bad.items():
        (root / "Training" / "glioma" / name).write_bytes(content)
    found = ingest(root, tmp_path / "out")
    assert sum(map(len, found.examples.values())) == 48
    assert {name for name, _ in found.rejected} == {f"Training/glioma/{name}" for name in bad}
    assert all(reason for _, reason in found.rejected)
    assert (found.report.found, found.report.ingested, found.report.rejected) == (52, 48, 4)
    assert sum(found.report.reasons.values()) == 4


def test_files_of_an_unknown_class_are_rejected_and_one_setting_takes_them(make_folder, tmp_path):
    root = make_folder(classes=("glioma", "notumor", "métastase"), train=20, test=4)
    found = ingest(root, tmp_path / "out")
    assert found.report.rejected == 24
    assert {reason for _, reason in found.rejected} == {
        "class folder 'métastase' is not one of the classes (glioma, notumor)"
    }
    classes = ("glioma", "métastase", "notumor")
    found = ingest(root, tmp_path / "again", classes=classes)
    assert found.report.rejected == 0
    labels = {_bytes(e, "image/label").decode() for e in found.examples["test"]}
    assert labels == set(classes)


def test_a_folder_without_one_usable_image_is_refused(make_folder, tmp_path):
    root = make_folder(train=2, test=1)
    for file in root.glob("*/*/*"):
        file.write_bytes(b"")
    with pytest.raises(PipelineError, match=r"None of 6 files .*6 x empty file"):
        ingest(root, tmp_path / "out")


def test_a_folder_that_changes_after_it_was_listed_is_refused(make_folder, tmp_path, monkeypatch):
    root = make_folder(train=4, test=2)
    real = list_data

    def growing(*args, **kwargs):
        (root / "Training" / "glioma" / "late.png").write_bytes(encode(draw(1234)))
        return real(*args, **kwargs)

    monkeypatch.setattr("components.ingest.executor.list_data", growing)
    with pytest.raises(PipelineError, match="changed while it was being listed"):
        ingest(root, tmp_path / "out")


def test_no_name_in_the_table_of_rejected_files_is_a_formula(make_folder, tmp_path):
    root = make_folder() / "Training"
    (root / "=HYPERLINK").mkdir()
    (root / "=HYPERLINK" / "1.png").write_bytes(b"")
    found = ingest(root, tmp_path / "out")
    assert [name for name, _ in found.rejected] == ["./=HYPERLINK/1.png"]


def test_a_mask_beside_the_images_is_rejected(make_folder, tmp_path):
    root = make_folder(train=10, test=4)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    codes = np.digitize(-np.hypot(x, y), [-0.8, -0.3]).astype(np.uint8)
    Image.fromarray(codes).save(root / "Training" / "glioma" / "000_mask.png")
    Image.fromarray(codes * 100).save(root / "Training" / "glioma" / "drawn.png")
    found = ingest(root, tmp_path / "out")
    [(name, reason)] = found.rejected
    assert name == "Training/glioma/000_mask.png"
    assert reason.startswith("a mask: ")


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"else"), Path.unlink])
def test_what_was_looked_at_is_what_is_written(make_folder, tmp_path, monkeypatch, change):
    root = make_folder(train=20, test=4)
    from components.ingest import executor

    real = executor.assign_splits
    image = root / "Training" / "glioma" / "000.png"
    looked_at = np.asarray(Image.open(image))

    def meanwhile(*args, **kwargs):
        change(image)
        return real(*args, **kwargs)

    monkeypatch.setattr(executor, "assign_splits", meanwhile)
    found = ingest(root, tmp_path / "out")
    [example] = [
        one
        for split in ("train", "eval")
        for one in found.examples[split]
        if _bytes(one, "image/filename") == b"Training/glioma/000.png"
    ]
    assert np.array_equal(decode(_bytes(example, "image/encoded")), looked_at)
    assert not list((tmp_path / "out" / "tmp").rglob("*.*")), "pictures are left behind"


def test_copies_in_the_training_folder_are_set_aside_and_the_test_image_marked(
    make_folder, tmp_path
):
    root = make_folder(train=20, test=4)
    test_image = root / "Testing" / "notumor" / "000.png"
    pixels = np.asarray(Image.open(test_image))
    (root / "Training" / "notumor" / "same.png").write_bytes(test_image.read_bytes())
    (root / "Training" / "notumor" / "mirror.jpg").write_bytes(encode(pixels[:, ::-1], "JPEG"))

    found = ingest(root, tmp_path / "out")
    excluded = {row["name"] for row in found.splits if row["split"] == "excluded"}
    assert excluded == {"Training/notumor/same.png", "Training/notumor/mirror.jpg"}
    assert found.report.images["excluded"] == {"glioma": 0, "notumor": 2}
    assert (found.report.exact_cross_split, found.report.near_cross_split) == (1, 1)
    assert found.report.remaining_cross_split == 0
    seen = [
        e for e in found.examples["test"] if e.features.feature["image/seen"].int64_list.value[0]
    ]
    assert [_bytes(e, "image/filename") for e in seen] == [b"Testing/notumor/000.png"]

    leaking = ingest(root, tmp_path / "leaking", split_policy="as_is")
    assert leaking.report.remaining_cross_split > 0
    assert leaking.report.images["excluded"] == {"glioma": 0, "notumor": 0}


@pytest.mark.parametrize(("patient_ids", "seen"), [("link", 2), ("ignore", 0)])
def test_slices_of_one_patient_on_both_sides_are_counted_where_nothing_moves(
    make_folder, tmp_path, patient_ids, seen
):
    root = make_folder(train=20, test=4)
    for number, folder in enumerate(["Training", "Testing", "Testing"]):
        content = dicom_file(head(number), PatientID="4711")
        (root / folder / "glioma" / f"{number}.dcm").write_bytes(content)
    settings = {"split_policy": "as_is", "dicom": {"patient_ids": patient_ids}}
    found = ingest(root, tmp_path / "out", **settings)
    assert found.report.near_cross_split == seen
    assert found.report.exact_cross_split == 0


def test_what_was_tested_once_is_remembered_in_the_next_span(tmp_path):
    def span(number, seeds):
        for label in ("glioma", "notumor"):
            folder = tmp_path / "data" / f"span-{number:03}" / label
            folder.mkdir(parents=True)
            for seed in seeds:
                (folder / f"{seed}.png").write_bytes(encode(draw(seed + 1000 * (label[0] == "g"))))

    span(1, range(40))
    first = ingest(tmp_path / "data", tmp_path / "first")
    tested = {
        Path(row["name"]).name + row["label"] for row in first.splits if row["split"] == "test"
    }
    span(2, range(20, 80))
    second = ingest(tmp_path / "data", tmp_path / "second", history=first.out / "splits")
    assert second.report.span == 2
    assert second.report.history == 40
    now = {Path(row["name"]).name + row["label"]: row["split"] for row in second.splits}
    assert {now[name] for name in tested & set(now)} == {"test"}
    assert sum(split == "test" for split in now.values()) == pytest.approx(24, abs=4)


def test_identical_pictures_share_a_group(make_folder, tmp_path):
    root = make_folder(train=12, test=4)
    original = next((root / "Training" / "glioma").iterdir())
    (original.parent / "copy.png").write_bytes(original.read_bytes())
    found = ingest(root, tmp_path / "out")
    groups = Counter(
        _bytes(e, "image/group") for examples in found.examples.values() for e in examples
    )
    assert sorted(groups.values())[-2:] == [1, 2]


def test_one_picture_with_two_labels_is_a_conflict(make_folder, tmp_path):
    root = make_folder(train=20, test=4)
    original = next((root / "Training" / "glioma").iterdir())
    (root / "Training" / "notumor" / "copy.png").write_bytes(original.read_bytes())
    assert ingest(root, tmp_path / "out").report.label_conflicts == 1


def test_component_is_keyed_by_configuration_and_code():
    one = Ingest("/data", IngestConfig())
    other = Ingest("/data", IngestConfig(eval_share=0.2))
    assert one.exec_properties["code"] == other.exec_properties["code"]
    assert one.exec_properties["config"] != other.exec_properties["config"]


def test_real_images_are_all_ingested(real_images, tmp_path):
    root = tmp_path / "some"
    for folder in sorted(real_images.glob("*/*")):
        (root / folder.parent.name / folder.name).mkdir(parents=True)
        for image in sorted(folder.iterdir())[:12]:
            (root / folder.parent.name / folder.name / image.name).symlink_to(image)
    found = ingest(root, tmp_path / "out", classes=IngestConfig().classes)
    assert found.report.ingested == 8 * 12
    assert found.rejected == []
    assert found.report.remaining_cross_split == 0
