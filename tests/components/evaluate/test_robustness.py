"""What is demanded of a model on changed images, and what becomes of it."""

import numpy as np
import pytest
from changing import write_changed
from predicting import predictions

from components.evaluate.config import EvaluateConfig
from components.evaluate.robustness import robustness_checks
from components.robustness.table import ChangedAnswers

BOUNDS = {
    "min_swapped_accuracy": 0.5,
    "max_swapped_accuracy_drop": 0.1,
    "min_shifted_accuracy": 0.7,
    "max_shifted_accuracy_drop": 0.05,
    "max_confidently_wrong": 0.02,
}


@pytest.fixture
def reasons(tmp_path):
    """Judges made-up answers, and gives the reasons to refuse the model."""

    def judge(right=lambda change, number: True, *, known=None, **settings):
        bounds = {name: settings.pop(name, value) for name, value in BOUNDS.items()}
        config = EvaluateConfig(**bounds, min_compared=settings.pop("min_compared", 4))
        changed = ChangedAnswers.read(write_changed(tmp_path / "changed", right, **settings))
        table = predictions(tmp_path / "predictions", 40, known_to_baseline=known)
        return [one.reason for one in robustness_checks(changed, table, config) if not one.met]

    return judge


def test_a_model_that_holds_in_all_guises_is_not_refused(reasons):
    assert reasons() == []


def test_a_model_that_follows_the_style_is_refused(reasons):
    def by_style(change, number):
        return change.kind != "style" or (change.name == "exchanged amplitude" and number < 6)

    # The mean of both ways: 0 of 12, and 6 of 12.
    assert reasons(by_style) == [
        "accuracy in the style of another class is 0.250 (limit: at least 0.500)"
    ]
    assert reasons(by_style, min_swapped_accuracy=0.25) == []
    assert reasons(by_style, min_swapped_accuracy=None) == []


def test_a_model_that_follows_the_display_is_refused_and_most_where_it_is_sure(reasons):
    def by_display(change, number):
        return change.kind != "shift" or change.strength == 1

    refused = reasons(by_display)
    assert refused == [
        "accuracy on shifted images is 0.344 (limit: at least 0.700)",
        "share of shifted images that are wrong, confident and not flagged is 0.656 "
        "(limit: at most 0.020)",
    ]
    assert reasons(by_display, flagged=True) == refused[:1]
    assert reasons(by_display, sure=0.85) == refused[:1]


def test_what_remains_without_anatomy_is_not_held_against_a_model(reasons):
    assert reasons(lambda change, number: change.kind != "remains") == []


def test_a_model_that_is_worse_than_the_last_blessed_one_is_refused(reasons):
    def worse(change, number):
        return number % 4 > 0 or change.kind not in ("style", "shift")

    found = reasons(worse, baseline=lambda change, number: True, max_confidently_wrong=1)
    assert found == [
        "accuracy in the style of another class fell by 0.250 against the last blessed model "
        "(limit 0.100)",
        "accuracy on shifted images fell by 0.250 against the last blessed model (limit 0.050)",
    ]
    same = reasons(worse, baseline=worse, max_confidently_wrong=1)
    assert same == []


def test_images_that_either_model_knows_count_for_no_comparison(reasons):
    # The other is right only of the first six, which it was trained on.
    settings = {
        "right": lambda change, number: number >= 6,
        "baseline": lambda change, number: number < 6,
        "known": np.arange(40) < 6,
        "min_swapped_accuracy": 0,
        "min_shifted_accuracy": 0,
        "max_confidently_wrong": 1,
    }
    assert reasons(**settings) == []
    assert reasons(**{**settings, "known": None}) == []  # even
    worse = {**settings, "right": lambda change, number: number < 6, "known": np.arange(40) >= 6}
    worse["baseline"] = lambda change, number: True
    assert reasons(**worse) == []  # it is as good on those that are new
    assert len(reasons(**{**worse, "known": np.arange(40) < 6})) == 2
    # Of a handful that is left nothing is said.
    assert reasons(**{**worse, "known": np.arange(40) < 9}) == []


def test_where_nothing_was_to_be_asked_nothing_is_demanded(reasons):
    assert reasons(images=0, asked=0) == []


def test_where_no_test_image_could_be_asked_about_the_model_is_refused(reasons):
    found = reasons(splits=("eval",))
    assert found[0] == (
        "accuracy in the style of another class cannot be computed (limit: at least 0.500)"
    )
    assert len(found) == 3


def test_an_image_without_a_style_is_left_out_of_the_mean(reasons):
    found = reasons(
        lambda change, number: number < 4,
        left_out=lambda change, number: number >= 4 and change.kind == "style",
        min_shifted_accuracy=0,
        max_confidently_wrong=1,
    )
    assert found == []
