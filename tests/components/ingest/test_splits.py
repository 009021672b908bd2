from collections import Counter
from dataclasses import replace

import pytest

from components.errors import PipelineError
from components.ingest.config import IngestConfig
from components.ingest.quality import Quality
from components.ingest.records import ImageRecord
from components.ingest.splits import assign_splits

CONFIG = IngestConfig(eval_share=0.1, test_share=0.2)


def _record(index: int, label: str, folder_split: str = "train", group: str = "") -> ImageRecord:
    return ImageRecord(
        path=f"/data/{label}/{index}.png",
        name=f"{folder_split}/{label}/{index}.png",
        label=label,
        folder_split=folder_split,
        sha256=f"{index:064x}",
        group=group or f"{hash((label, index, folder_split)) & 0xFFFFFFFF:08x}",
        format="PNG",
        height=8,
        width=8,
        channels=1,
        quality=Quality(1.0, 1.0, 0.5, 1.0, 1.0),
    )


def _records(count: int, folder_split: str = "train") -> list[ImageRecord]:
    return [_record(i, label, folder_split) for label in ("a", "b") for i in range(count)]


def test_eval_is_a_tenth_of_each_class():
    records = _records(100) + _records(30, "test")
    splits = assign_splits(records, CONFIG)
    counts = Counter((record.label, splits[record.name]) for record in records)
    for label in ("a", "b"):
        assert counts[label, "train"] == 90
        assert counts[label, "eval"] == 10
        assert counts[label, "test"] == 30


def test_class_folders_alone_get_a_test_split_too():
    records = _records(100)
    counts = Counter(assign_splits(records, CONFIG).values())
    assert counts == {"train": 144, "eval": 16, "test": 40}


def test_given_eval_images_are_kept():
    records = _records(10) + _records(5, "eval") + _records(5, "test")
    assert Counter(assign_splits(records, CONFIG).values()) == {"train": 20, "eval": 10, "test": 10}


def test_draw_depends_on_content_alone():
    records = _records(50) + _records(5, "test")
    splits = assign_splits(records, CONFIG)
    renamed = [replace(r, name="x" + r.name) for r in reversed(records)]
    assert assign_splits(renamed, CONFIG) == {"x" + name: s for name, s in splits.items()}


def test_identical_pictures_are_drawn_together():
    records = [_record(i, "a", group=f"{i // 5:04}") for i in range(50)]
    records += _records(5, "test") + [_record(i, "b") for i in range(20)]
    splits = assign_splits(records, CONFIG)
    for group in {record.group for record in records if record.label == "a"}:
        members = {
            splits[r.name] for r in records if r.group == group and r.folder_split == "train"
        }
        assert len(members) <= 1


def test_a_class_without_training_images_is_refused():
    records = _records(20) + [_record(1, "c", "test")]
    with pytest.raises(PipelineError, match="No training image is left of class c"):
        assign_splits(records, CONFIG)


def test_too_few_images_are_refused():
    with pytest.raises(PipelineError, match="The eval split is empty"):
        assign_splits(_records(2) + _records(2, "test"), CONFIG)
