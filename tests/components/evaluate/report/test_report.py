"""The report, made as the pipeline makes it and opened in a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from changing import write_changed
from counting import evidence
from counting import report as counts
from drawing import draw
from fitting import SCREENS, misfits
from judging import judged
from predicting import CLASSES, probabilities, write_predictions
from reporting import write_report

from components.disclaimer import DISCLAIMER
from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.report.card import ModelCard
from components.evaluate.report.figures import Figures
from components.evaluate.verdict import ModelVerdict
from components.pages.numbers import signed
from components.reasons import UNSURE
from components.serve_check.verdict import ServeVerdict

pytestmark = pytest.mark.long

LABELS = np.arange(120) % 4
CONFIG = EvaluateConfig(resamples=200)
HOSTILE = '"><script>document.title="broken"</script><img src=http://example.invalid/x>'
BLESSED = ModelVerdict(blessed=True, reasons=(), examples=120)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("good")
    values = probabilities(LABELS, 0.85)
    baseline = probabilities(LABELS, 0.7, seed=3)
    folder = write_predictions(out / "predictions", LABELS, values, baseline=baseline)
    verdict = judged(PredictionTable.read(folder), CONFIG)
    images = {"train": dict.fromkeys(CLASSES, 100)}
    data = counts(classes=CLASSES, images=images, evidence=evidence())
    changed = write_changed(out / "changed", baseline=lambda change, number: number % 3 > 0)
    return write_report(folder, out, verdict, config=CONFIG, data=data, count=120, changed=changed)[
        0
    ]


def _open(chromium, page: Path, width: int = 1280):
    opened = chromium.new_page(viewport={"width": width, "height": 900})
    opened.set_default_timeout(300_000)
    requests, complaints = [], []
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(page.as_uri())
    opened.wait_for_load_state("networkidle")
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [page.as_uri()]
    return opened


@pytest.fixture(scope="module")
def opened(chromium, good):
    """The page of the good model, which tests read and leave as it is."""
    return _open(chromium, good / "index.html")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_loads_nothing_complains_of_nothing_and_fits(chromium, good, width):
    page = _open(chromium, good / "index.html", width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.locator("svg").count() == 7 + 1  # foreign images have a drawing too
    identities = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(identities) == len(set(identities))


def test_the_verdict_comes_first_and_then_the_sensitivity_for_tumour(opened, good):
    headings = opened.locator("h1, .banner strong, h2").all_inner_texts()
    assert headings[1] in ("Blessed", "Refused")
    assert headings[2:5] == [
        "What changed",
        "What you can do",
        "Sensitivity for tumour against none",
    ]
    figures = Figures.read(good)
    sensitivity = figures.headline["tumour_sensitivity"].value
    assert opened.locator(".first .number").inner_text() == f"{sensitivity:.3f}"
    text = opened.locator("body").inner_text()
    for words in (DISCLAIMER, "leak_free", "Compared with the last blessed model", "CLAIM",
                  "weights.h5", "TRIPOD+AI", "Foreign images", "95% interval",
                  "Computer-generated pictures, not patients."):  # fmt: skip
        assert words in text, words
    assert "/somewhere/secret" not in text


def test_what_the_serve_check_refuses_is_refused_in_the_first_lines(tmp_path):
    folder = write_predictions(tmp_path / "predictions", LABELS, probabilities(LABELS, 0.85))
    reason = "The exported graph fails on 1.png: no decoder for PNG."
    refused = ServeVerdict(reasons=(reason,), server="embedded")
    report, _ = write_report(
        folder, tmp_path, BLESSED, config=CONFIG, count=len(LABELS), server=refused
    )
    page = (report / "index.html").read_text()
    assert "<strong>Refused</strong>" in page
    assert page.count(reason) == 2  # in the banner, and under Serving
    assert "Every threshold is met" not in page


def test_what_changed_stands_at_the_top_with_what_it_is_worth(opened, good):
    figures = Figures.read(good)
    row = opened.locator(".changes tbody tr", has_text="Accuracy").first
    difference = figures.comparison.differences["accuracy"]
    assert f"{signed(difference.value)} ({signed(difference.low)} to" in row.inner_text()
    said = opened.locator(".decision").inner_text()
    assert "This model (A) minus the last blessed model (B, number 3)" in said
    assert "a drop of 0.010 is 0.9 of 90 images" in said
    assert "mri models show 2026-01-02T03-04-05.678" in said or "rollback" in said
    assert opened.locator(".decision").bounding_box()["y"] < 600


def test_calibration_that_made_it_worse_is_said(opened, good):
    head = Figures.read(good).headline
    assert head["ece"].value > head["ece_uncalibrated"].value
    assert opened.get_by_text("Calibration made th").count() == 2


def test_shares_are_fractions_and_nothing_is_less_than_nothing(opened):
    said = opened.locator("body").inner_text()
    assert "-0.000" not in said
    assert not re.search(r"\d\s?\u202f?\s%", said)  # with a space
    # Settings of changes, such as 70% of the contrast, are no figures.
    assert set(re.findall(r"\d\.\d%", said)) <= {"0.6%", "1.2%", "2.0%"}


def test_an_image_stands_in_one_gallery_cropped_as_its_overlay(opened):
    digests = opened.locator("h2#images ~ .gallery figcaption code").all_inner_texts()
    titles = opened.locator("h2#images ~ .gallery img:first-child")
    pictures = titles.evaluate_all("all => all.map(one => one.src)")
    assert len(pictures) == len(set(pictures)) == len(digests)
    tall, wide = draw(0).shape[:2]
    shape = titles.first.evaluate("one => one.naturalWidth / one.naturalHeight")
    assert shape == pytest.approx(0.5 * wide / (0.75 * tall), rel=0.05)


def test_the_heat_has_a_legend_and_the_foreign_images_a_limit(opened):
    assert opened.locator(".heat").inner_text().startswith("no heat")
    assert opened.locator("#foreign ~ .drawings svg").first.get_by_text("limit").count() == 1


def test_two_tables_of_evidence_stand_apart(opened):
    above, below = opened.locator("#evidence ~ .scroll").all()[:2]
    first, second = above.bounding_box(), below.bounding_box()
    assert second["y"] - first["y"] - first["height"] > 20


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_it_fits_every_screen(chromium, good, width, scheme):
    assert misfits(chromium, good / "index.html", width, scheme) == []


def test_every_missed_tumour_is_shown_with_where_the_model_looked(opened):
    labels, values = LABELS, probabilities(LABELS, 0.85)
    missed = ((labels != 2) & (values.argmax(1) == 2)).sum()
    assert missed > 0
    gallery = opened.locator("h3:has-text('Missed tumours') ~ .gallery").first
    assert gallery.locator("figure").count() == missed
    assert gallery.locator("img").count() == 2 * missed
    assert opened.locator("h3:has-text('Most uncertain') ~ .gallery figure").count() == 20


def _missed(tmp_path, labels: list[int], sha256: list[str]) -> str:
    """The page where a model calls every image free of a tumour."""
    values = np.full((len(labels), 4), 0.1)
    values[:, 2] = 0.7
    folder = write_predictions(tmp_path / "p", np.array(labels), values, sha256=sha256)
    report, _ = write_report(
        folder, tmp_path, BLESSED, config=CONFIG, count=len(labels), sha256=sha256
    )
    page = (report / "index.html").read_text()
    return page[page.index(">Missed tumours") : page.index(">Most confident mistakes")]


def test_copies_of_a_missed_tumour_are_all_shown(tmp_path):
    names = [f"{index:064x}" for index in (1, 1, 2, 3, 4)]
    missed = _missed(tmp_path, [0, 0, 2, 2, 1], names)
    assert 'Missed tumours <span class="quiet">(3)' in missed
    assert missed.count("<figcaption>glioma") == 2
    assert missed.count("<figcaption>meningioma") == 1


def test_a_picture_that_stands_under_two_classes_is_shown_under_the_one_that_was_missed(tmp_path):
    names = [f"{index:064x}" for index in (1, 1, 2, 3, 4)]
    missed = _missed(tmp_path, [0, 2, 2, 2, 2], names)
    assert 'Missed tumours <span class="quiet">(1)' in missed
    assert missed.count("<figcaption>glioma") == 1


def test_missed_tumours_are_counted_even_where_their_images_are_gone(tmp_path):
    values = np.tile([0.1, 0.1, 0.7, 0.1], (6, 1))
    folder = write_predictions(tmp_path / "p", np.array([0, 0, 0, 1, 2, 3]), values)
    report, _ = write_report(folder, tmp_path, BLESSED, config=CONFIG, count=2)
    page = (report / "index.html").read_text()
    missed = page[page.index(">Missed tumours") : page.index(">Most confident mistakes")]
    assert "(5)" in missed
    assert missed.count("<figure>") == 2
    assert "3 can no longer be read" in missed


def test_the_recipe_that_was_trained_is_stated_not_the_one_that_was_asked_for(tmp_path):
    folder = write_predictions(tmp_path / "p", LABELS, probabilities(LABELS, 0.85))
    # The search found other values than the configuration's, which say 3 epochs.
    recipe = {
        "model": {"dense_units": 77},
        "train": {"epochs": 9, "patience": None, "augment": {"versions": 2}},
    }
    found = {"train.epochs": 9, "model.dense_units": 77}
    report, _ = write_report(
        folder, tmp_path, BLESSED, config=CONFIG, count=120, recipe={**recipe, "tuned": found}
    )
    card, page = ModelCard.read(report), (report / "index.html").read_text()
    assert card.lineage.parameters["train.epochs"] == "9"
    assert card.lineage.parameters["model.dense_units"] == "77"
    assert card.lineage.parameters["train.augment.versions"] == "2"
    assert card.lineage.parameters["train.patience"] == "null"  # as --set takes it
    answers = {one.number: one.answer for one in card.claim}
    assert "epochs=9" in answers["25"]
    assert "by which a search chose dense_units=77, epochs=9" in answers["26"]
    assert "train.epochs=9" in page
    assert "train.epochs=3" not in page + (report / "model_card.md").read_text()


def test_what_no_training_image_could_teach_is_said(opened):
    said = opened.locator("#evidence ~ p").all_inner_texts()
    assert any(
        "412 groups" in one and "all are notumor: a model cannot know" in one for one in said
    )


def test_the_worst_slice_comes_first(opened):
    rows = opened.locator("#slices ~ .scroll").first.locator("tbody tr")
    accuracies = [float(row.locator("td").first.inner_text()) for row in rows.all()]
    assert accuracies == sorted(accuracies)


def test_what_people_named_does_no_harm(chromium, tmp_path):
    classes = (HOSTILE, "b", "notumor", "d")
    values = probabilities(LABELS, 0.7)
    folder = write_predictions(tmp_path / "p", LABELS, values, classes=classes)
    data = counts(source=HOSTILE, classes=classes, reasons={HOSTILE: 1})
    report, _ = write_report(folder, tmp_path, BLESSED, config=CONFIG, data=data, count=120)
    page = _open(chromium, report / "index.html")
    assert page.title().startswith("Blessed")
    assert page.locator("script").count() == 0


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.full(12, -1), "12 of 12 test images have no label"),
        (np.zeros(12, int), "no image of meningioma, notumor, pituitary"),
        (np.zeros(1, int), "one image"),
        (np.zeros(0, int), "test split is empty"),
    ],
)
def test_what_cannot_be_computed_is_said(tmp_path, labels, words):
    values = probabilities(np.abs(labels), 0.7)
    folder = write_predictions(tmp_path / "p", labels, values)
    verdict = judged(PredictionTable.read(folder), CONFIG)
    report, artifact = write_report(folder, tmp_path, verdict, config=CONFIG, count=len(labels))
    text = (report / "index.html").read_text()
    assert "<strong>Refused</strong>" in text
    assert "What could not be computed" in text
    assert words in text
    assert artifact.get_int_custom_property("blessed") == 0


def test_a_model_without_explanation_is_shown_without_overlays(tmp_path):
    folder = write_predictions(tmp_path / "p", LABELS, probabilities(LABELS, 0.8), outputs=False)
    report, _ = write_report(folder, tmp_path, BLESSED, config=CONFIG, count=120, explains=False)
    page = (report / "index.html").read_text()
    assert "does not say where it looked" in page
    assert "does not say whether an image looks like a brain MRI" in page
    assert page.count("<img ") == page.count("<figure>") > 0


def test_a_model_that_waits_says_how_to_decide(tmp_path):
    folder = write_predictions(tmp_path / "p", LABELS, probabilities(LABELS, 0.8))
    report, _ = write_report(
        folder, tmp_path, BLESSED, config=CONFIG, count=120, push="after_review"
    )
    page = (report / "index.html").read_text()
    for decision in ("approve", "reject"):
        assert f"mri models {decision} 2026-01-02T03-04-05.678 --reason TEXT" in page


def test_beside_the_page_are_figures_text_and_card(good):
    figures = json.loads((good / "figures.json").read_text())
    assert figures["headline"]["accuracy"]["value"] == pytest.approx(
        (probabilities(LABELS, 0.85).argmax(1) == LABELS).mean()
    )
    assert "macro avg" in (good / "report.txt").read_text()
    assert ModelCard.read(good).lineage.run == "2026-01-02T03-04-05.678"


def test_reasons_are_counted_and_stand_below_the_images(good):
    page = (good / "index.html").read_text()
    assert f'<th scope="row">{UNSURE}</th>' in page
    captions = re.findall("<figcaption>.*?</figcaption>", page, re.DOTALL)
    assert any(UNSURE in caption for caption in captions)
    assert any("<code>" in caption and UNSURE not in caption for caption in captions)
