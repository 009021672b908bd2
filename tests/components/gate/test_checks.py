import pytest
from counting import CLASSES, evidence, images_with, report

from components.gate.checks import check_report
from components.gate.config import GateConfig

CONFIG = GateConfig()
BEFORE = report(span=1, fingerprint="before")


def _found(config=CONFIG, previous=BEFORE, **changes):
    """Severity by name, and all sentences, of what the counts are found guilty of."""
    findings = check_report(report(**changes), previous, config)
    return {finding.name: finding.severity for finding in findings}, " ".join(
        f"{finding.found} {finding.expected} {finding.action}" for finding in findings
    )


def test_nothing_is_found_in_clean_data():
    assert _found() == ({}, "")
    assert _found(previous=None) == ({}, "")


def test_a_fifth_of_the_files_unusable_stops():
    found, words = _found(found=1000, ingested=800, rejected=200, reasons={"empty file": 200})
    assert found == {"rejected_files": "stop"}
    assert "200 of 1,000 files (20.0%)" in words
    assert "At most 1.0%" in words


def test_as_many_rejected_files_as_are_allowed_pass():
    assert _found(found=1000, ingested=990, rejected=10) == ({}, "")
    config = GateConfig(max_rejected_share=0.2)
    assert _found(config, found=1000, ingested=800, rejected=200) == ({}, "")


@pytest.mark.parametrize("split", ["train", "eval", "test"])
def test_an_empty_split_stops(split):
    images = {**report().images, split: dict.fromkeys(CLASSES, 0)}
    found, words = _found(images=images)
    assert found["empty_split"] == "stop"
    assert f"no images in {split}" in words
    assert "missing_class" not in found


@pytest.mark.parametrize(
    ("split", "severity"), [("train", "stop"), ("test", "stop"), ("eval", "warn")]
)
def test_a_missing_class_stops_unless_only_eval_lacks_it(split, severity):
    found, words = _found(images=images_with(split, "notumor", 0))
    assert found == {"missing_class": severity}
    assert f"{split} has no image of notumor." in words


def test_a_class_that_is_missing_from_the_report_is_missing():
    assert _found(images=images_with("train", "notumor", 0) | {"test": {"glioma": 20}})[0] == {
        "missing_class": "stop"
    }


def test_a_class_eleven_times_as_large_as_another_warns():
    found, words = _found(images=images_with("train", "glioma", 1100))
    assert found == {"class_imbalance": "warn"}
    assert "11.0 times" in words
    assert _found(images=images_with("train", "glioma", 1000)) == ({}, "")


def test_most_images_of_one_class_set_aside_warns():
    found, words = _found(images=images_with("excluded", "notumor", 111))
    assert found == {"excluded_images": "warn"}
    assert "50% of notumor" in words
    assert _found(images=images_with("excluded", "notumor", 110)) == ({}, "")


def test_most_of_all_images_set_aside_warns():
    images = {**report().images, "excluded": dict.fromkeys(CLASSES, 200)}
    found, words = _found(images=images)
    assert found == {"excluded_images": "warn"}
    assert "400 of 620 training images (64.5%)" in words


@pytest.mark.parametrize(
    ("policy", "severity"), [("leak_free", "stop"), ("group", "stop"), ("as_is", "warn")]
)
def test_pairs_across_splits_stop_unless_the_leak_was_asked_for(policy, severity):
    found, words = _found(policy=policy, remaining_cross_split=7)
    assert found == {"leak": severity}
    assert "7 pairs" in words
    assert "4 of 40 test images (10.0%)" in words
    assert _found(policy=policy, remaining_cross_split=0, near_cross_split=0) == ({}, "")


def test_a_patient_on_both_sides_is_a_leak_though_no_pair_of_images_is():
    assert _found(policy="as_is", remaining_cross_split=0)[0] == {"leak": "warn"}
    assert _found(policy="leak_free", remaining_cross_split=0)[0] == {}


def test_a_leak_that_was_asked_for_can_be_made_to_stop():
    config = GateConfig(severity={"leak": "stop"})
    assert _found(config, policy="as_is", remaining_cross_split=7)[0] == {"leak": "stop"}


def test_different_labels_in_one_group_warn():
    found, words = _found(label_conflicts=4)
    assert found == {"label_conflicts": "warn"}
    assert "4 matching groups" in words


def test_far_fewer_images_than_before_warn():
    images = {split: dict.fromkeys(CLASSES, 40) for split in ("train", "eval", "test")}
    larger = report(images={split: dict.fromkeys(CLASSES, 81) for split in images})
    found, words = _found(previous=larger, images=images)
    assert found == {"shrunk": "warn"}
    assert "240 images, 49% of the 486 before" in words


def test_as_many_as_half_of_before_or_fewer_than_another_folder_pass():
    images = {split: dict.fromkeys(CLASSES, 40) for split in ("train", "eval", "test")}
    twice = {split: dict.fromkeys(CLASSES, 80) for split in images}
    assert _found(previous=report(images=twice), images=images) == ({}, "")
    other = report(images={split: dict.fromkeys(CLASSES, 900) for split in images}, source="other")
    assert _found(previous=other, images=images) == ({}, "")


def test_severity_follows_the_configuration():
    config = GateConfig(severity={"label_conflicts": "stop", "missing_class": "pass"})
    found, _ = _found(config, label_conflicts=1, images=images_with("test", "glioma", 0))
    assert found == {"label_conflicts": "stop", "missing_class": "pass"}


def test_hostile_class_names_stay_on_one_printable_line():
    name = "\x1b[31mred\nline<script>" + "x" * 500
    images = {split: {"a": 40, name: 0} for split in ("train", "eval", "test", "excluded")}
    _, words = _found(classes=("a", name), images=images, seen={}, previous=None)
    assert words.isprintable()
    assert len(words) < 1500


def test_levels_that_tell_the_class_warn():
    found, words = _found(evidence=evidence(tumours=400))
    assert found == {"source": "warn"}
    assert "levels alone distinguish glioma from the rest with accuracy 0.940" in words
    assert "area under the ROC curve of 0.980 (chance: 0.5)" in words
    assert _found(evidence=evidence(auc=0.8, tumours=400)) == ({}, "")
    assert _found(GateConfig(max_levels_auc=0.98), evidence=evidence(tumours=400)) == ({}, "")


def test_a_look_without_a_class_warns_and_stops_if_that_is_asked_for():
    found, words = _found(evidence=evidence(auc=0.6))
    assert found == {"source": "warn"}
    assert (
        "Of 412 groups that look like this (cut to white), all are notumor: a model cannot know."
        in words
    )
    stops = GateConfig(severity={"source": "stop"})
    assert _found(stops, evidence=evidence(auc=0.6))[0] == {"source": "stop"}


def test_only_the_gravest_looks_are_named():
    looks = evidence().looks
    many = evidence(auc=0.6).model_copy(update={"looks": (looks[0], *[looks[1]] * 5)})
    _, words = _found(evidence=many)
    assert words.count("groups that look like this") == 3
    assert "3 more looks lack a class." in words
