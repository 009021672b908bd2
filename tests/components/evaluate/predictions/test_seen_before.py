"""Which test images a training knows, of folders that are ingested as the pipeline does."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dicom_files import file, head
from drawing import draw, encode
from ingesting import Ingested, ingest

from components.evaluate.predictions.seen_before import (
    Record,
    UnknownTrainingError,
    known_groups,
)
from components.ingest.config import DuplicatesConfig
from components.ingest.history import HISTORY_FILE
from components.ingest.sides import Sides
from imaging.identity import PATIENT
from imaging.signature import SIGNATURE_SHAPE

pytestmark = pytest.mark.long

CLASSES = ("glioma", "notumor")


def _folder(root: Path, first: int, **more: bytes) -> Path:
    """Drawn images, ten in training and three in testing of each class; names tell the side."""
    for number, label in enumerate(CLASSES):
        for side, count in (("Training", 10), ("Testing", 3)):
            folder = root / side / label
            folder.mkdir(parents=True)
            for index in range(count):
                seed = first + 100 * number + 50 * (side == "Testing") + index
                (folder / f"own-{index}.png").write_bytes(encode(draw(seed)))
    for name, content in more.items():
        side, _, rest = name.partition("_")
        (root / side / "glioma" / rest).write_bytes(content)
    return root


def _known(tested: Ingested, *trained: Ingested) -> set[str]:
    """Names of the test images that a training knows."""
    records = [Record(one.out / "splits", one.report.policy) for one in trained]
    groups = known_groups(tested.out / "splits", records, DuplicatesConfig())
    found = set()
    for example in tested.examples["test"]:
        feature = example.features.feature
        if feature["image/group"].bytes_list.value[0].decode() in groups:
            found.add(Path(feature["image/filename"].bytes_list.value[0].decode()).name)
    return found


@pytest.fixture(scope="module")
def earlier(tmp_path_factory) -> Ingested:
    folder = tmp_path_factory.mktemp("earlier")
    return ingest(_folder(folder / "data", 0), folder / "out")


def test_copies_mirror_images_and_what_belongs_to_them_are_known(tmp_path, earlier):
    side = {row["name"]: row["split"] for row in earlier.splits}
    held_out = next(name for name, split in side.items() if split == "eval")
    trained = next(name for name, split in side.items() if split == "train")
    root = Path(earlier.out).parent / "data"
    picture = draw(700)
    data = _folder(
        tmp_path / "data",
        1000,
        Testing_copy=(root / held_out).read_bytes(),
        Testing_other_class=(root / trained).read_bytes(),
        Testing_mirrored=encode(draw(3)[:, ::-1].copy(), "JPEG"),
        Testing_once_in_test=(root / "Testing" / "glioma" / "own-0.png").read_bytes(),
        Testing_new=encode(picture),
        Training_new_too=encode(picture[:, ::-1].copy()),
    )
    found = ingest(data, tmp_path / "out")
    assert _known(found, earlier) == {"copy", "other_class", "mirrored"}
    assert _known(found, found) == set()
    as_is = ingest(data, tmp_path / "as_is", split_policy="as_is")
    assert _known(found, as_is) == {"new"}
    assert _known(found, earlier, as_is) == {"copy", "other_class", "mirrored", "new"}


def test_patients_are_known_however_different_their_images_look(tmp_path, monkeypatch):
    monkeypatch.setenv("MRI_PATIENT_SALT", "one")
    before = _folder(tmp_path / "before", 0, **{"Training_a.dcm": file(head(1), PatientID="4711")})
    data = _folder(
        tmp_path / "data",
        1000,
        **{
            "Testing_same.dcm": file(head(2), PatientID="4711"),
            "Testing_other.dcm": file(head(3), PatientID="4712"),
        },
    )
    earlier = ingest(before, tmp_path / "earlier")
    assert _known(ingest(data, tmp_path / "now"), earlier) == {"same.dcm"}


def test_patients_of_another_salt_cannot_be_compared(tmp_path):
    tested, trained = (
        _sides(tmp_path / salt, split, "a", links=(f"{PATIENT} {salt * 16} 1",))
        for salt, split in (("1", "test"), ("2", "train"))
    )
    with pytest.raises(UnknownTrainingError, match="another salt"):
        _groups(tested, trained)


def test_what_only_an_earlier_model_was_trained_on_is_not_known_to_this_one(tmp_path, earlier):
    root = Path(earlier.out).parent / "data"
    between = ingest(
        _folder(tmp_path / "between", 1000), tmp_path / "b", history=earlier.out / "splits"
    )
    data = _folder(
        tmp_path / "data",
        2000,
        Testing_old=(root / "Training" / "glioma" / "own-0.png").read_bytes(),
        Testing_newer=(tmp_path / "between/Training/glioma/own-0.png").read_bytes(),
    )
    now = ingest(data, tmp_path / "now", history=between.out / "splits")
    assert _known(now, between) == {"newer"}
    assert _known(now, between, earlier) == {"newer", "old"}


def test_where_the_record_is_gone_nobody_can_tell(tmp_path, earlier):
    with pytest.raises(UnknownTrainingError, match="is gone"):
        _groups(earlier.out / "splits", tmp_path / "nothing")
    with pytest.raises(UnknownTrainingError, match="of the test images is gone"):
        _groups(tmp_path / "nothing", earlier.out / "splits")


def _groups(tested: Path, trained: Path, policy: str = "leak_free") -> frozenset[str]:
    return known_groups(tested, [Record(trained, policy)], DuplicatesConfig())


def test_a_record_that_cannot_be_read_now_is_no_answer(tmp_path, earlier):
    (tmp_path / "sides.parquet").symlink_to("sides.parquet")  # it is there, and cannot be opened
    with pytest.raises(OSError, match=r"sides\.parquet"):
        _groups(earlier.out / "splits", tmp_path)


def _remembered(folder: Path, **splits: str) -> Path:
    """What an earlier version wrote of pictures: their sides by name, and one's patient."""
    noise = [np.random.default_rng(ord(one)).integers(-99, 99, SIGNATURE_SHAPE) for one in splits]
    signatures = [one.astype(np.int8).tobytes() for one in noise]
    columns = {
        "picture": list(splits),
        "patient": [f"{PATIENT} {one}" if one == "p" else None for one in splits],
        "split": list(splits.values()),
        "signature": signatures,
    }
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / HISTORY_FILE)
    return folder


def _sides(folder: Path, split: str, *pictures: str, links: tuple[str, ...] = ()) -> Path:
    """What is written today of pictures on one side."""
    sides = dict.fromkeys(pictures, split)
    _remembered(folder, **sides)
    count = len(pictures)
    Sides(pictures, (links,) * count, pictures, tuple(sides.values())).write(folder)
    return folder


def test_what_an_earlier_version_remembered_says_what_was_trained_on(tmp_path):
    tested = _sides(tmp_path / "tested", "test", "a", "b", "c", "d", "e")
    trained = _remembered(tmp_path / "trained", a="train", b="eval", c="test", x="train")
    assert _groups(tested, trained) == {"a", "b"}
    assert _groups(tested, trained, "group") == {"a", "b"}
    # Under as_is what once was in test is remembered as that, and trained on all the same.
    with pytest.raises(UnknownTrainingError, match="as_is by an earlier version"):
        _groups(tested, trained, "as_is")


def test_patients_that_an_earlier_version_hashed_cannot_be_compared(tmp_path):
    trained = _remembered(tmp_path / "trained", p="train")
    assert _groups(_sides(tmp_path / "nobodys", "test", "a"), trained) == set()
    tested = _sides(tmp_path / "tested", "test", "a", links=(f"{PATIENT} {'0' * 16} 1",))
    with pytest.raises(UnknownTrainingError, match="by an earlier version, in another way"):
        _groups(tested, trained)
