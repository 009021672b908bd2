from html.parser import HTMLParser
from pathlib import Path

import pytest
from counting import evidence, images_with, report
from fitting import SCREENS, misfits
from gating import heads, judge

from components.disclaimer import DISCLAIMER

BEFORE = (report(span=1, fingerprint="before"), heads(60, 2))
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class _Page(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements, self.attributes, self.text = [], [], ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text += data


def _page(out, *arguments, **settings):
    judge(out, *arguments, **settings)
    return _Page(out / "verdict" / "index.html")


def test_a_stopped_run_shows_why_and_what_can_be_done(tmp_path):
    counts = report(
        found=300,
        ingested=240,
        rejected=60,
        reasons={"empty file": 60},
        images=images_with("train", "notumor", 0),
    )
    page = _page(tmp_path, counts, heads(60, 1, lambda pixels: pixels * 0.5), BEFORE)
    assert "Stopped" in page.text
    for name in ("rejected_files", "missing_class", "drift:image/mean"):
        assert name in page.text
    assert "60 of 300 files (20.0%)" in page.text
    assert "empty file" in page.text
    assert "accept_anomalies=rejected_files,missing_class,drift:image/mean" in page.text
    assert "--accept-anomalies rejected_files,missing_class,drift:image/mean" in page.text
    assert DISCLAIMER in page.text
    assert page.text.count("Before") == page.text.count("Now") == 3


def test_rejected_files_are_named_by_their_row_in_a_table_whose_path_is_given(tmp_path):
    rejected = [("glioma/Jane Doe.jpg", "empty file"), ("glioma/a\nb.jpg", HOSTILE)] * 15
    counts = report(found=300, ingested=270, rejected=30, reasons={"empty file": 30})
    page = _page(tmp_path, counts, heads(60, 1), rejected=rejected)
    text = " ".join(page.text.split())
    assert "artifacts/Ingest/rejected/3/rejected.csv" in text
    assert str(tmp_path) not in text
    assert "row 2empty file" in text
    assert f"row 3{HOSTILE}" in text  # a name may have a line break
    assert "10 more are in the table" in text
    assert "Jane" not in text
    assert not {"script", "img"} & set(page.elements)


def test_clean_data_are_compared_with_the_data_before(tmp_path):
    page = _page(tmp_path, report(), heads(60, 1), BEFORE)
    assert "Nothing unusual was found." in page.text
    assert "Compared with the last data that passed: incoming, span 1, 260 images." in page.text
    assert "Findings" not in page.text
    assert "Drift" in page.text
    assert "Before" not in page.text


def test_the_first_data_are_compared_with_nothing(tmp_path):
    page = _page(tmp_path, report(), heads(60, 1))
    assert "No other data has passed before" in page.text
    assert "Drift" not in page.text
    assert "svg" in page.elements


def test_a_reason_is_shown_with_what_it_accepted(tmp_path):
    counts = report(remaining_cross_split=3)
    page = _page(
        tmp_path, counts, heads(60, 1), accepted=["leak"], reason="the same <b>patients</b>"
    )
    assert "Passed, with warnings" in page.text
    assert "Accepted: the same <b>patients</b>" in page.text
    assert "--accept-anomalies" not in page.text


def test_names_and_reasons_that_other_people_chose_stay_text(tmp_path):
    classes = (HOSTILE, "b")
    images = {split: dict.fromkeys(classes, 60) for split in ("train", "eval", "test", "excluded")}
    counts = report(
        source=HOSTILE,
        classes=classes,
        images=images | {"train": {HOSTILE: 0, "b": 60}},
        seen=dict.fromkeys(classes, 0),
        rejected=200,
        reasons={HOSTILE: 200},
    )
    page = _page(
        tmp_path, counts, heads(60, 1), BEFORE, accepted=["drift"], reason=HOSTILE, plane=HOSTILE
    )
    assert not {"script", "img"} & set(page.elements)
    assert "onerror" not in page.attributes
    assert page.text.count("<script>alert(1)</script>") >= 5


def test_the_page_needs_nothing_but_itself(tmp_path):
    page = _page(tmp_path, report(), heads(60, 1), BEFORE)
    assert not {"script", "link", "img", "iframe"} & set(page.elements)
    assert not {"src", "href"} & set(page.attributes)
    source = (tmp_path / "verdict" / "index.html").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in source
    assert "@media print" in source
    assert len(source) < 100_000


def test_values_that_are_all_the_same_are_drawn(tmp_path):
    page = _page(tmp_path, report(), [heads(1, 1)[0]] * 60)
    assert page.elements.count("svg") >= 6
    source = (tmp_path / "verdict" / "index.html").read_text(encoding="utf-8")
    assert "nan" not in source.lower().split("</style>")[1]
    assert "inf" not in source.split("</style>")[1]


def test_looks_are_shown_by_class_with_pictures(tmp_path):
    page = _page(tmp_path, report(evidence=evidence()), heads(60, 1))
    text = " ".join(page.text.split())
    assert "plane: axial (7)" in text
    assert "Of 412 groups that look like this (cut to white), all are notumor" in text
    assert "0.940" in text
    assert "0.980" in text
    assert page.elements.count("img") == 2


def test_a_report_of_before_there_was_evidence_is_shown(tmp_path):
    page = _page(tmp_path, report(), heads(60, 1))
    assert "The looks of the training images are not known." in page.text


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A page of everything, with long names."""
    out = tmp_path_factory.mktemp("crowded")
    classes = ("glioma_grade_four_with_contrast_enhancement", "notumor", "pituitary", "meningioma")
    path = f"the folder /data/{'a_long_part_of_a_path/' * 6} cannot be read"
    images = {split: dict.fromkeys(classes, 60) for split in ("train", "eval", "test", "excluded")}
    counts = report(
        classes=classes,
        found=300,
        ingested=240,
        rejected=60,
        reasons={path: 30, "empty file": 30},
        images=images | {"train": {**dict.fromkeys(classes, 60), "notumor": 0}},
        seen=dict.fromkeys(classes, 3),
        evidence=evidence(),
    )
    judge(
        out,
        counts,
        heads(60, 1, lambda pixels: pixels * 0.5),
        BEFORE,
        rejected=[("a.jpg", path), ("b.jpg", "empty file")],
    )
    return out / "verdict" / "index.html"


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_it_fits_every_screen(chromium, crowded, width, scheme):
    assert misfits(chromium, crowded, width, scheme) == []
