import numpy as np
import pytest

from components.ingest.inspection.shortcuts import ALL_TOGETHER, find_shortcuts
from imaging.picture import TechnicalTags

LABELS = ("glioma", "notumor")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def _of(shortcuts, feature):
    return next(found for found in shortcuts.features if found.feature == feature)


def test_a_size_that_gives_the_class_away_is_found(make_record, random):
    records = [
        make_record(label, height=512 if label == "glioma" else int(random.integers(200, 400)))
        for label in LABELS * 60
    ]
    shortcuts = find_shortcuts(records, range(len(records)))
    size = _of(shortcuts, "image size")
    assert size.worrying
    assert size.balanced_accuracy == size.accuracy == 1.0
    assert (size.found, size.false_alarms) == (1.0, 0.0)
    assert shortcuts.worrying[0] == size
    assert shortcuts.chance == shortcuts.majority == 0.5
    assert "file format" in shortcuts.constant


def test_features_that_tell_nothing_are_not_worrying(make_record, random):
    records = [
        make_record(
            label, mean=random.normal(50, 9), border=random.random(), aspect=random.random()
        )
        for label in LABELS * 150
    ]
    shortcuts = find_shortcuts(records, range(len(records)))
    assert {found.feature for found in shortcuts.features} == {
        "mean grey level",
        "empty border",
        "aspect ratio",
        ALL_TOGETHER,
    }
    assert not shortcuts.worrying


def test_copies_do_not_make_a_feature_look_telling(make_record, random):
    """Each picture has ten copies and a grey level of its own: by heart it tells everything."""
    groups, records = [], []
    for picture in range(60):
        mean = random.uniform(20, 90)
        for _ in range(10):
            groups.append(picture)
            records.append(make_record(LABELS[picture % 2], mean=mean))
    honest = _of(find_shortcuts(records, groups), "mean grey level")
    by_heart = _of(find_shortcuts(records, range(len(records))), "mean grey level")
    assert not honest.worrying
    assert by_heart.balanced_accuracy > honest.balanced_accuracy + 0.1


def test_a_rare_class_does_not_make_the_majority_look_good(make_record, random):
    records = [
        make_record("notumor" if index % 10 else "glioma", mean=random.normal(50, 9))
        for index in range(400)
    ]
    shortcuts = find_shortcuts(records, range(len(records)))
    assert shortcuts.majority == 0.9
    assert _of(shortcuts, "mean grey level").balanced_accuracy == pytest.approx(0.5, abs=0.12)
    assert not shortcuts.worrying


def test_formats_and_scanners_count_as_features(make_record):
    records = [
        make_record(
            label,
            source_format="DICOM" if label == "glioma" else "PNG",
            tags=TechnicalTags(
                manufacturer_model="Aera" if label == "glioma" else None, patient=f"patient {index}"
            ),
        )
        for index, label in enumerate(LABELS * 30)
    ]
    shortcuts = find_shortcuts(records, range(len(records)))
    names = {found.feature for found in shortcuts.worrying}
    assert {"file format", "manufacturer model"} <= names
    assert "patient" not in names


def test_the_class_that_is_given_away_is_named(make_record, random):
    sizes = {"glioma": 512, "meningioma": 512, "notumor": 225}
    records = [make_record(label, width=sizes[label]) for label in list(sizes) * 40]
    size = _of(find_shortcuts(records, range(len(records))), "image size")
    assert (size.gives_away, size.found, size.false_alarms) == ("notumor", 1.0, 0.0)
    assert size.balanced_accuracy == pytest.approx(2 / 3, abs=0.1)


def test_same_images_same_figures(make_record, random):
    records = [make_record(label, mean=random.normal(50, 9)) for label in LABELS * 40]
    groups = list(range(len(records)))
    assert find_shortcuts(records, groups) == find_shortcuts(records, groups)


@pytest.mark.parametrize("labels", [[], ["glioma"] * 20, ["glioma"] * 20 + ["notumor"] * 4])
def test_too_little_is_not_tested(make_record, labels):
    shortcuts = find_shortcuts([make_record(label) for label in labels], range(len(labels)))
    assert not shortcuts.tested
    assert shortcuts.features == ()


def test_a_class_that_is_too_small_is_left_out(make_record):
    labels = [*LABELS * 20, "rare", "rare"]
    records = [make_record(label, height=512 if label == "glioma" else 225) for label in labels]
    shortcuts = find_shortcuts(records, range(len(records)))
    assert shortcuts.too_small == ("rare",)
    assert shortcuts.chance == shortcuts.majority == 0.5
    assert _of(shortcuts, "image size").balanced_accuracy == 1.0


def test_copies_are_not_different_images(make_record):
    records = [make_record(label) for label in LABELS * 30]
    groups = [0 if record.label == "notumor" else index for index, record in enumerate(records)]
    assert "notumor" in find_shortcuts(records, groups).too_small


def test_images_that_are_alike_in_all_features_have_none(make_record):
    records = [make_record(label) for label in LABELS * 10]
    shortcuts = find_shortcuts(records, range(len(records)))
    assert shortcuts.features == ()
    assert "image size" in shortcuts.constant
