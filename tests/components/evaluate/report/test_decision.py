"""What the decision view says of changes against the last blessed model."""

import pytest
from carding import figures

from components.evaluate.config import EvaluateConfig
from components.evaluate.report.decision import changes, read_calibration
from components.evaluate.report.figures import Comparison, Figure


def _changes(value, low, high, name="accuracy", limit=0.01):
    comparison = Comparison(
        model_id=3,
        differences={name: Figure(value=value, low=low, high=high, images=160)},
        p_values={name: 0.5},
        better=1,
        worse=2,
        mcnemar=1.0,
        own={name: 0.9},
        other={name: 0.9},
        images=160,
    )
    config = EvaluateConfig(max_accuracy_drop=limit)
    return changes(figures().model_copy(update={"comparison": comparison}), config)


@pytest.mark.parametrize(
    ("value", "low", "high", "tone", "words"),
    [
        (-0.0125, -0.05, 0.025, "bad", "within the noise: the interval reaches +0.025"),
        (-0.1, -0.15, -0.05, "bad", "Beyond the limit."),
        (-0.00625, -0.04, 0.03, "warn", "a drop of 0.040 cannot be ruled out"),
        (0.0, -0.006, 0.006, "good", "with its whole interval"),
        (0.05, 0.01, 0.09, "good", "Better, by more than the noise"),
        (-0.01, -0.01, -0.01, "good", "Within the limit"),
        (None, None, None, "warn", "Not computable"),
    ],
)
def test_a_drop_is_held_against_its_limit_and_its_interval(value, low, high, tone, words):
    [change] = _changes(value, low, high)
    assert (change.tone, change.limit) == (tone, 0.01)
    assert words in change.reading
    assert change.images_allowed == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(-0.05, 0.05, "No difference"), (0.01, 0.05, "Better"), (-0.05, -0.01, "Worse")],
)
def test_a_figure_without_a_limit_is_held_against_nothing_but_chance(low, high, words):
    [change] = _changes((low + high) / 2, low, high, name="macro_f1")
    assert change.limit is None
    assert words in change.reading


def test_without_a_comparison_there_is_no_change():
    assert changes(figures(), EvaluateConfig()) == ()


@pytest.mark.parametrize(
    ("after", "before", "words"),
    [
        (0.05, 0.03, "made the error larger"),
        (0.03, 0.05, "reduced the error"),
        (0.03, 0.03, "changed nothing"),
        (0.0300001, 0.03, "changed nothing"),
    ],
)
def test_calibration_that_made_it_worse_is_said(after, before, words):
    errors = {"ece": Figure(value=after), "ece_uncalibrated": Figure(value=before)}
    reading = read_calibration(figures().model_copy(update={"headline": errors}))
    assert words in reading.words
    assert reading.is_worse == ("larger" in words)


def test_of_a_model_that_does_not_say_nothing_is_said_of_calibration():
    assert read_calibration(figures()) is None
