"""Classes in folders of hospitals and patients."""

import pytest

from components.ingest.class_folders import inner_classes, means_healthy
from components.ingest.folder import list_images

_NESTED = (
    "A/patient_1/glioma/1.jpg",
    "A/patient_2/notumor/scan/2.jpg",
    "B/patient_3/glioma/3.jpg",
    "B/patient_4/notumor/4.jpg",
)


def _touch(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.mark.parametrize("split", ["", "Testing/"])
def test_named_classes_are_found_at_any_depth(tmp_path, split):
    _touch(tmp_path, [split + name for name in (*_NESTED, "B/patient_4/5.jpg")])
    listing = list_images(tmp_path, classes=("glioma", "notumor"))
    assert [file.label for file in listing.files] == ["glioma", "notumor", "glioma", "B", "notumor"]
    assert {file.folder_split for file in listing.files} == {"test" if split else "train"}
    assert listing.classes == ("B", "glioma", "notumor")


def test_class_folders_in_their_place_come_before_deeper_ones(tmp_path):
    _touch(tmp_path, ["glioma/old notumor/1.jpg", "notumor/glioma/2.jpg"])
    listing = list_images(tmp_path, classes=("glioma", "notumor"))
    assert [file.label for file in listing.files] == ["glioma", "notumor"]


def test_one_hospital_is_enough(tmp_path):
    _touch(tmp_path, _NESTED[:2])
    assert list_images(tmp_path, classes=("glioma", "notumor")).classes == ("glioma", "notumor")


@pytest.mark.parametrize(
    ("names", "inner"),
    [
        (_NESTED, ("glioma", "notumor")),
        (("A/a/1", "B/a/2", "A/b/series/1", "B/b/series/1"), ("a", "b")),
        # A class folder is one, hospitals in it or not.
        (("healthy/A/1", "healthy/B/2", "tumour/A/1", "tumour/B/2"), ()),
        # Nothing that several share, or not every file lies in one.
        (("glioma/p1/1", "notumor/p2/1"), ()),
        ((*_NESTED, "A/5.jpg"), ()),
        ((), ()),
    ],
)
def test_folders_that_may_be_the_classes(names, inner):
    assert inner_classes((name, name.split("/")[0]) for name in names) == inner


@pytest.mark.parametrize(
    "name", ["notumor", "no_tumor", "Non-Tumour", "none", "normal", "HEALTHY", "negative", "no"]
)
def test_names_of_classes_without_a_tumour(name):
    assert means_healthy(name)


@pytest.mark.parametrize("name", ["glioma", "tumour", "nodule", "nonenhancing", "abnormal"])
def test_names_of_classes_with_one(name):
    assert not means_healthy(name)
