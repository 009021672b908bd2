import json
import os
from dataclasses import replace

import pytest
from counting import evidence

from components.ingest.inspection.findings import Findings
from components.ingest.inspection.shortcuts import Shortcut, Shortcuts
from components.ingest.inspection.verdicts import judge
from components.ingest.looks import Rejection

CLASSES = ("glioma", "notumor")


def _survey_with_everything(make_record, make_survey):
    records = [
        make_record("glioma", "train", picture="same", height=100, width=80),
        make_record("glioma", "train", source_format="PNG"),
        make_record("notumor", "train", name="train/notumor/volume.nii", frame=0),
        make_record("notumor", "train", name="train/notumor/volume.nii", frame=1),
        make_record("notumor", "test", picture="same"),
        make_record("notumor", "test"),
    ]
    rejections = [Rejection("train/glioma/a.txt", "no image"), Rejection("b", "no image")]
    return make_survey(
        records, rejections, groups=[0, 1, 2, 2, 0, 5], seen=(4, 5), seen_exactly=(4,)
    )


def test_figures(make_record, make_survey):
    findings = Findings.of(_survey_with_everything(make_record, make_survey), CLASSES)
    assert (findings.found, findings.ingested, findings.rejected) == (7, 5, 2)
    assert findings.images == 6
    assert findings.classes == {"glioma": 2, "notumor": 4}
    assert findings.splits == {
        "train": {"glioma": 2, "notumor": 2},
        "test": {"glioma": 0, "notumor": 2},
    }
    assert findings.formats == {"JPEG": 5, "PNG": 1}
    assert list(findings.sizes.items()) == [("512 x 512", 5), ("80 x 100", 1)]
    assert findings.reasons == {"no image": 2}
    assert (findings.groups, findings.grouped, findings.largest_group) == (2, 4, 2)
    assert (findings.exact_cross_split, findings.near_cross_split) == (1, 2)
    assert findings.seen == {"glioma": 0, "notumor": 2}
    assert findings.label_conflicts == 1


def test_everything_that_is_wrong_is_said(make_record, make_survey):
    findings = Findings.of(_survey_with_everything(make_record, make_survey), CLASSES)
    said = [f"{verdict.title}. {verdict.advice}" for verdict in judge(findings) if not verdict.good]
    assert any("2 of 7 files cannot be used" in sentence for sentence in said)
    assert any("2 of 2 test images (100.0%)" in s and "1 of them pixel" in s for s in said)
    assert any("1 group of matching images" in sentence for sentence in said)


def _shortcuts(*telling):
    told = {"balanced_accuracy": 0.9, "accuracy": 0.9, "gives_away": "glioma", "found": 0.9}
    return Shortcuts(
        chance=0.5,
        majority=0.5,
        features=tuple(
            Shortcut(feature=one, false_alarms=0.1, worrying=True, **told) for one in telling
        ),
        constant=(),
        too_small=(),
    )


@pytest.mark.parametrize(
    ("telling", "advised", "left_out"),
    [
        (("file format", "all together"), "Export all classes in one format", "crop"),
        (("image size",), "crops them to the head", "format"),
        (("mean grey level",), "transform.levels=head", "crop"),
        (("magnetic field",), "figures by such features", "crop"),
    ],
)
def test_advice_is_about_the_features_that_were_found(
    make_record, make_survey, telling, advised, left_out
):
    survey = make_survey([make_record(label) for label in CLASSES])
    findings = Findings.of(survey, CLASSES)
    found = findings.model_copy(update={"shortcuts": _shortcuts(*telling)})
    [advice] = [one.advice for one in judge(found) if "without looking" in one.title]
    assert advised in advice
    assert left_out not in advice


def test_text_that_is_burnt_in_is_not_said_to_be_made_black(make_record, make_survey):
    survey = make_survey([make_record(label) for label in CLASSES])
    findings = Findings.of(survey, CLASSES).model_copy(update={"burnt_in": 1, "blackened": 0})
    [advice] = [one.advice for one in judge(findings) if "outside the heads" in one.title]
    assert advice.startswith("1 DICOM file says")


def test_no_pixels_are_spoken_of_where_no_copy_is_exact(make_record, make_survey):
    findings = Findings.of(_survey_with_everything(make_record, make_survey), CLASSES)
    found = findings.model_copy(update={"exact_cross_split": 0})
    [advice] = [one.advice for one in judge(found) if "test images" in one.title]
    assert "pixel for pixel" not in advice


def test_looks_that_tell_the_class_are_said(make_record, make_survey):
    def said(found):
        survey = make_survey([make_record(label) for label in CLASSES])
        verdicts = judge(Findings.of(survey, CLASSES, found))
        return [f"{one.title}. {one.advice}" for one in verdicts if not one.good]

    [both] = said(evidence())
    assert "levels alone distinguish glioma" in both
    assert "all are notumor: a model cannot know." in both
    assert said(evidence(auc=0.7, tumours=400)) == []


def test_a_folder_with_nothing_wrong_gets_no_warning(make_record, make_survey):
    records = [make_record(label, split) for label in CLASSES for split in ("train", "test")] * 5
    verdicts = judge(Findings.of(make_survey(records), CLASSES))
    assert all(verdict.good for verdict in verdicts)


def test_without_a_test_folder_it_is_said_why_nothing_matches(make_record, make_survey):
    findings = Findings.of(make_survey([make_record(label) for label in CLASSES]), CLASSES)
    assert findings.near_cross_split == 0
    assert "no test images" in findings.why_no_test
    assert any("no test images" in verdict.advice for verdict in judge(findings))


def test_no_usable_image_at_all(make_survey):
    findings = Findings.of(make_survey([], [Rejection("a", "empty file")]), CLASSES)
    assert (findings.found, findings.ingested, findings.rejected) == (1, 0, 1)
    assert findings.largest_group == 0
    [verdict] = judge(findings)
    assert verdict.title == "1 of 1 files cannot be used"


def test_a_class_without_images_and_a_small_class_are_said(make_record, make_survey):
    only = Findings.of(make_survey([make_record("glioma")]), CLASSES)
    assert any("Class notumor has no usable image" in verdict.title for verdict in judge(only))
    records = [make_record("notumor" if index % 5 else "glioma") for index in range(50)]
    many = Findings.of(make_survey(records), CLASSES)
    assert any("notumor has 4.0 times" in verdict.title for verdict in judge(many))


def test_figures_are_valid_json_whatever_the_names_are(make_record, make_survey):
    label = os.fsdecode(b"t\xfcmor\n")
    survey = make_survey([make_record(label)], [Rejection("a\udcff", "bad")])
    text = json.dumps(Findings.of(survey, (label,)).model_dump(mode="json"), ensure_ascii=False)
    assert json.loads(text.encode())["classes"] == {"t\\xfcmor\\n": 1}


def test_folders_of_patients_are_asked_about(make_survey, make_record):
    named = [("p1", "tumour"), ("p1", "none"), ("p2", "tumour"), ("p2", "none")]
    records = [
        make_record(patient, name=f"{patient}/{label}/{number}.jpg")
        for number, (patient, label) in enumerate(named)
    ]
    survey = make_survey(records)
    files = [replace(file, label=file.name.split("/")[0]) for file in survey.folder.files]
    survey.folder = replace(survey.folder, files=tuple(files))
    verdicts = judge(Findings.of(survey, ("p1", "p2")))
    [title] = [one.title for one in verdicts if "--classes none,tumour" in one.advice]
    assert title == "The classes may be the folders none, tumour inside the class folders"
