import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from counting import evidence
from drawing import draw
from fitting import SCREENS, misfits

from components.disclaimer import DISCLAIMER
from components.ingest.config import IngestConfig
from components.ingest.inspection import page
from components.ingest.inspection.findings import Findings
from components.ingest.inspection.page import render
from components.ingest.looks import Rejection

CLASSES = ("glioma", "notumor")
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture(autouse=True)
def pictures(monkeypatch):
    """Records have no files here: their pictures are drawn."""
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)

    def read(record, config):
        return noise if record.height == 1 else draw(len(record.name), (64, 48))

    monkeypatch.setattr("components.ingest.looks.read_picture", read)


def _render(survey, classes=CLASSES) -> str:
    return render(Findings.of(survey, classes), survey, IngestConfig(classes=CLASSES))


class _Elements(HTMLParser):
    """Checks that elements are closed in order, and keeps their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.sources: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.split("</style>")[1]).split())


def _survey(make_record, make_survey):
    records = [
        make_record(label, split, picture=f"{label} {index}")
        for index in range(12)
        for label in CLASSES
        for split in ("train",)
    ]
    records += [
        make_record("glioma", "test", picture="glioma 0"),
        make_record("notumor", "test", picture="near"),
        make_record("glioma", "test"),
    ]
    groups = list(range(len(records)))
    groups[24], groups[25] = groups[0], groups[0]
    return make_survey(
        records,
        [Rejection("train/glioma/notes.txt", "not an image")],
        groups=groups,
        pairs=[(0, 25, 0.9312)],
        seen=(24, 25),
        seen_exactly=(24,),
    )


def test_the_page_shows_what_was_found(make_record, make_survey):
    html = _render(_survey(make_record, make_survey))
    text = _text(html)
    for said in (
        "28 files found, 27 usable, 1 rejected",
        "2 of 3 test images (66.7%) show a picture that is also in the training folder",
        "Identical pixels 1 of 1",
        "Near duplicates 1 of 1",
        "identical glioma",
        "0.931",
        "glioma / notumor",
        "1 group of matching images carries different labels",
        "3 images",
        "file 1 not an image",
        DISCLAIMER,
    ):
        assert said in text


def test_the_page_needs_nothing_but_itself(make_record, make_survey):
    elements = _Elements(_render(_survey(make_record, make_survey)))
    assert elements.sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in elements.sources)
    assert not {"script", "link", "iframe", "object"} & set(elements.names)


def test_names_cannot_write_on_the_page(make_record, make_survey):
    hostile = (HOSTILE, os.fsdecode(b"\xff\xfe<img src=x>"))
    records = [
        make_record(label, split, name=f'{HOSTILE}" onerror="{label}{split}.png', picture="same")
        for label in hostile
        for split in ("train", "test")
    ]
    survey = make_survey(
        records, [Rejection(HOSTILE, HOSTILE)], groups=[0] * 4, seen=(1, 3), seen_exactly=(1, 3)
    )
    html = _render(survey, hostile)
    assert "&lt;script&gt;" in html
    assert not {"script"} & set(_Elements(html).names)
    assert "src=x" not in _Elements(html).sources
    assert 'onerror="' not in html
    html.encode()


def test_looks_are_shown_by_class(make_record, make_survey):
    survey = make_survey([make_record(label) for label in CLASSES])
    findings = Findings.of(survey, CLASSES, evidence())
    text = _text(render(findings, survey, IngestConfig(classes=CLASSES)))
    assert "levels alone distinguish glioma from the rest with accuracy 0.940" in text
    assert text.count("all are notumor: a model cannot know") >= 1
    assert "cut to white" in text


def test_a_folder_without_a_test_split_says_so(make_record, make_survey):
    text = _text(_render(make_survey([make_record(label) for label in CLASSES] * 6)))
    assert "no test images of its own" in text
    assert "test images seen in training" not in text


def test_a_folder_with_nothing_wrong(make_record, make_survey):
    records = [make_record(label, split) for label in CLASSES for split in ("train", "test")] * 6
    text = _text(_render(make_survey(records)))
    assert "None of the 12 test images matches an image in the training folder." in text
    assert "No two images match." in text
    assert "Rejected files None." in text


def test_a_folder_without_a_usable_image(make_survey):
    text = _text(_render(make_survey([], [Rejection("a.jpg", "empty file")])))
    assert "No image could be used." in text
    assert "file 1 empty file" in text
    assert "a.jpg" not in text


def test_a_picture_that_is_gone_is_a_gap(make_record, make_survey, monkeypatch):
    from imaging.picture import RejectedImageError

    def refuse(record, config):
        raise RejectedImageError("changed")

    monkeypatch.setattr("components.ingest.looks.read_picture", refuse)
    html = _render(make_survey([make_record(label) for label in CLASSES] * 6))
    assert "changed since it was read" in html
    assert "<img" not in html


def test_the_page_stays_small_whatever_the_folder_holds(make_record, make_survey):
    """Noise compresses worst of all, names are as long as a disk allows, and there are many."""
    labels = [f"{number:03}" + "x" * 250 for number in range(60)]
    records = [
        make_record(label, split, name=f"{split}/{label}/{index}" + "y" * 250, height=1)
        for label in labels
        for split in ("train", "test")
        for index in range(20)
    ]
    tests = [index for index, record in enumerate(records) if record.folder_split == "test"]
    trains = [index for index, record in enumerate(records) if record.folder_split == "train"]
    pairs = [(a, b, 0.95) for a, b in zip(trains, tests, strict=True)]
    rejections = [Rejection(f"{number}" + "z" * 250, f"reason {number}") for number in range(5000)]
    survey = make_survey(
        records,
        rejections,
        groups=[index // 40 for index in range(len(records))],
        pairs=pairs,
        seen=tests,
    )
    html = _render(survey, labels)
    assert len(html.encode()) < 5_000_000
    text = _text(html)
    assert "20 more classes are not shown." in text
    assert "4,800 more are not listed here" in text
    assert "54 more groups are not shown." in text
    assert "Near duplicates 30 of 1,200" in text


def test_every_shortcut_is_in_the_table(make_record, make_survey):
    records = [
        make_record(label, height=512 if label == "glioma" else 225, width=512 + index % 3)
        for index, label in enumerate(CLASSES * 30)
    ]
    text = _text(_render(make_survey(records)))
    assert "by one feature alone, on average: image size 100%" in text
    assert re.search(r"image size 100\.0% 100\.0% glioma: 100\.0% found", text)
    assert "The same in all images: aspect ratio" in text


def test_all_templates_are_beside_the_module():
    assert (page.Path(page.__file__).parent / "page.html").is_file()


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_it_fits_every_screen(chromium, tmp_path, make_record, make_survey, width, scheme):
    classes = ("glioma_grade_four_with_contrast_enhancement", "notumor", "pituitary", "meningioma")
    records = [
        make_record(label, split, picture=f"{label} {index}", width=500 + 12 * n)
        for n, label in enumerate(classes)
        for index in range(12)
        for split in ("train", "test")
    ]
    reason = f"the file /data/{'a_long_part_of_a_path/' * 6}x.jpg is not an image"
    groups = [n // 2 for n in range(len(records))]
    survey = make_survey(
        records, [Rejection("x.jpg", reason)] * 3, groups=groups, seen=(1, 3), seen_exactly=(1,)
    )
    page = tmp_path / "inspection.html"
    findings = Findings.of(survey, classes, evidence())
    page.write_text(render(findings, survey, IngestConfig(classes=classes)), encoding="utf-8")
    assert misfits(chromium, page, width, scheme) == []
