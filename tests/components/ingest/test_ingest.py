import csv
import json
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf
from drawing import draw, encode
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts

from components.errors import PipelineError
from components.ingest.component import Ingest, RejectedImages
from components.ingest.config import IngestConfig
from components.ingest.executor import IngestExecutor


def _ingest(root: Path, out: Path, **settings: object) -> tuple[dict, list[tuple[str, str]]]:
    """Runs the executor as the launcher does: Examples by split, and the rejected files."""
    examples, rejected = standard_artifacts.Examples(), RejectedImages()
    examples.uri, rejected.uri = str(out / "examples"), str(out / "rejected")
    Path(rejected.uri).mkdir(parents=True)
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--direct_running_mode=in_memory"],
        tmp_dir=str(out / "tmp"),
        unique_id="1",
    )
    IngestExecutor(context).Do(
        {},
        {"examples": [examples], "rejected": [rejected]},
        {
            "input_base": str(root),
            "config": IngestConfig(**settings).model_dump_json(),
            "fingerprint": "f",
        },
    )
    found = {}
    for split in json.loads(examples.split_names):
        files = sorted(tf.io.gfile.glob(f"{examples.uri}/Split-{split}/*"))
        records = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
        found[split] = [tf.train.Example.FromString(record) for record in records]
    with (Path(rejected.uri) / "rejected.csv").open(encoding="utf-8", newline="") as file:
        return found, [(row["name"], row["reason"]) for row in csv.DictReader(file)]


def _bytes(example: tf.train.Example, name: str) -> bytes:
    return example.features.feature[name].bytes_list.value[0]


def test_examples_hold_the_contract(make_folder, tmp_path):
    root = make_folder(classes=("a", "b"), train=20, test=4)
    found, rejected = _ingest(root, tmp_path / "out")
    assert {split: len(examples) for split, examples in found.items()} == {
        "train": 36,
        "eval": 4,
        "test": 8,
    }
    assert rejected == []
    for example in found["train"] + found["eval"] + found["test"]:
        name = _bytes(example, "image/filename").decode()
        assert _bytes(example, "image/encoded") == (root / name).read_bytes()
        label = _bytes(example, "image/label").decode()
        assert label == Path(name).parent.name
        assert example.features.feature["image/class"].int64_list.value[0] == "ab".index(label)
        assert example.features.feature["image/height"].int64_list.value[0] == 48
        assert example.features.feature["image/width"].int64_list.value[0] == 40
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
    found, rejected = _ingest(root, tmp_path / "out", max_rejected_share=0.5)
    assert sum(map(len, found.values())) == 48
    assert {name for name, _ in rejected} == {f"Training/glioma/{name}" for name in bad}
    assert all(reason for _, reason in rejected)


def test_too_many_bad_files_stop_the_run_with_the_reasons(make_folder, tmp_path):
    root = make_folder(train=20, test=4)
    (root / "Training" / "glioma" / "bad.jpg").write_bytes(b"")
    with pytest.raises(PipelineError, match=r"1 of 49 files .*1 x empty file.*bad\.jpg"):
        _ingest(root, tmp_path / "out")


def test_identical_pictures_share_a_group(make_folder, tmp_path):
    root = make_folder(train=12, test=4)
    original = next((root / "Training" / "glioma").iterdir())
    (original.parent / "copy.png").write_bytes(original.read_bytes())
    found, _ = _ingest(root, tmp_path / "out")
    groups = Counter(_bytes(e, "image/group") for examples in found.values() for e in examples)
    assert sorted(groups.values())[-2:] == [1, 2]


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
    found, rejected = _ingest(root, tmp_path / "out")
    assert sum(map(len, found.values())) == 8 * 12
    assert rejected == []
