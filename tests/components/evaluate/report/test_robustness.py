"""Figures of changed images, and what the page and the card say of them."""

import html
import re

import numpy as np
import pytest
from changing import write_changed
from predicting import predictions, probabilities, write_predictions
from reporting import write_report

from components.evaluate.config import EvaluateConfig
from components.evaluate.report.card import ModelCard
from components.evaluate.report.figures import Figures
from components.evaluate.report.robustness import robustness_figures, why_missing
from components.evaluate.verdict import ModelVerdict
from components.robustness.table import ChangedAnswers

CONFIG = EvaluateConfig(resamples=200)
LABELS = np.arange(24) % 4


def _blurred(change, number):
    """Half wrong where the image is blurred, always wrong in another's levels."""
    if change.name == "matched levels":
        return False
    return change.name != "blurred" or number % 2 == 0


@pytest.fixture
def measured(tmp_path):
    """Figures of made-up answers, by split."""

    def measure(right=_blurred, *, config=CONFIG, **settings):
        changed = ChangedAnswers.read(write_changed(tmp_path / "changed", right, **settings))
        return robustness_figures(changed, predictions(tmp_path / "p", 40), config)

    return measure


def test_every_figure_is_the_share_it_says_with_an_interval(measured):
    test = measured()["test"]
    assert (test.images, test.groups) == (12, 6)
    assert test.chance == 0.25
    assert [(one.name, one.accuracy.value) for one in test.styles] == [
        ("matched levels", 0),
        ("exchanged amplitude", 1),
    ]
    assert test.swapped_accuracy.value == 0.5
    worst = test.shifts[:3]
    assert [one.name for one in worst] == ["blurred"] * 3
    for one in worst:
        assert one.accuracy.value == one.confidently_wrong.value == 0.5
    assert test.shifted_accuracy.value == pytest.approx((61 + 3 * 0.5) / 64)
    assert test.confidently_wrong.value == pytest.approx(3 * 0.5 / 64)
    # Every wrong answer is the next class: a tumour is missed where that is the healthy one.
    assert worst[0].tumour_sensitivity.value == pytest.approx(6 / 9)
    assert worst[0].tumour_sensitivity.images == 9
    # An image more or less in a group: none of these is sure.
    assert worst[0].accuracy.missing == "no interval: all samples agree"
    zero = test.styles[0].accuracy
    assert zero.exact
    assert 0.3 < zero.high < 0.6  # by Clopper and Pearson, of six groups


def test_intervals_are_of_groups(measured):
    test = measured(lambda change, number: number >= 4)["test"]
    figure = test.shifted_accuracy
    assert figure.value == pytest.approx(2 / 3)
    assert figure.low <= 1 / 3
    assert figure.high == 1
    assert test.unchanged.accuracy.low == figure.low


def test_two_models_are_compared_in_pairs(measured):
    differences = measured(baseline=lambda change, number: number % 4 > 0)["test"].differences
    assert differences["swapped_accuracy"].value == pytest.approx(0.5 - 0.75)
    assert differences["shifted_accuracy"].value == pytest.approx(62.5 / 64 - 0.75)
    assert measured()["test"].differences == {}
    settings = EvaluateConfig(resamples=200, compare=False)
    found = measured(baseline=lambda change, number: True, config=settings)
    assert found["test"].differences == {}


def test_what_could_not_be_changed_is_named_and_is_no_number(measured):
    config = EvaluateConfig(resamples=200, healthy_class=None)

    def left_out(change, number):
        return change.kind == "style" or (change.name == "dark cut" and change.strength == 3)

    test = measured(config=config, left_out=left_out)["test"]
    assert test.swapped_accuracy.value is None
    assert test.swapped_accuracy.words == (
        "not computable: no image of another class gives a style"
    )
    [cut] = [one for one in test.shifts if (one.name, one.strength) == ("dark cut", 3)]
    assert cut.accuracy.words == "not computable: nothing is left to see of any image"
    assert test.shifts[-1] is cut
    assert test.shifts[0].tumour_sensitivity.value is None
    assert test.left_out == 12 * 3
    assert "NaN" not in test.model_dump_json()


@pytest.mark.parametrize("images", [0, 1])
def test_hardly_any_images(measured, images):
    found = measured(images=images, asked=5)
    assert {name: one.images for name, one in found.items()} == (
        {"eval": 1, "test": 1} if images else {}
    )
    assert all("NaN" not in one.model_dump_json() for one in found.values())


@pytest.mark.parametrize(("asked", "words"), [(0, "robustness.images is 0"), (5, "no labelled")])
def test_why_there_are_no_figures_is_said(tmp_path, asked, words):
    changed = ChangedAnswers.read(write_changed(tmp_path, images=0, asked=asked))
    assert words in why_missing(changed)


def _written(tmp_path, **settings):
    folder = write_predictions(tmp_path / "predictions", LABELS, probabilities(LABELS, 0.85))
    verdict = ModelVerdict(blessed=True, reasons=(), examples=len(LABELS))
    report, _ = write_report(
        folder, tmp_path, verdict, config=CONFIG, count=len(LABELS), **settings
    )
    page = (report / "index.html").read_text()
    return report, page[page.index('<h2 id="robustness">') : page.index('<h2 id="foreign">')]


@pytest.mark.long
def test_page_card_and_figures_say_whether_it_looks_at_the_tumour(tmp_path):
    report, section = _written(tmp_path, changed=write_changed(tmp_path / "changed", _blurred))
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", section)))
    assert "0.500" in text
    assert text.index("blurred by 0.6%") < text.index("mirrored")
    assert "names the most frequent class is right for 0.250" in text
    for words in ("the head blanked", "histogram alone", "patches of 1 cm", "accuracy on eval"):
        assert words in text, words
    # One image, as it is, in two styles, three times without anatomy, and in six shifts.
    assert section.count("<figure>") == 12
    assert section.count("data:image/jpeg") == 12
    assert "<b>meningioma</b> (wrong), 0.950" in section  # a glioma in another's levels
    card = ModelCard.read(report)
    [answer] = [
        one.answer for one in card.claim if "style of an image of another class" in one.answer
    ]
    assert "0.500" in answer
    assert "chance is 0.250" in answer
    assert Figures.read(report).robustness["test"].swapped_accuracy.value == 0.5


@pytest.mark.long
def test_where_nothing_was_changed_the_page_says_so(tmp_path):
    report, section = _written(tmp_path)
    assert "Not computable: robustness.images is 0." in section
    assert "<figure>" not in section
    assert Figures.read(report).robustness == {}
