import numpy as np
import pytest

from components.evaluate.report import bootstrap as bootstrap_module
from components.evaluate.report.bootstrap import (
    GroupBootstrap,
    exact_interval,
    interval,
    mcnemar,
    two_sided_p,
)
from components.evaluate.report.calibration import BINS, Reliability
from components.evaluate.report.coverage import CoverageRisk


def _mean_of(values):
    return lambda weights: weights @ values / weights.sum(1)


def test_groups_are_drawn_whole():
    groups = np.array(["a", "a", "b", "c", "c", "c"])
    for weights in GroupBootstrap(groups, 50).weights():
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 3:] == weights[:, 3:4]).all()
        assert (weights[:, 0] + weights[:, 2] + weights[:, 3] == 3).all()


def test_copies_of_an_image_do_not_narrow_the_interval():
    random = np.random.default_rng(0)
    right = (random.random(100) < 0.8).astype(float)
    names = np.array([f"{index}" for index in range(100)])

    def width(values, groups):
        low, high = interval(GroupBootstrap(groups, 1000).samples({"": _mean_of(values)})[""])
        return high - low

    alone = width(right, names)
    copied = width(np.repeat(right, 10), np.repeat(names, 10))
    as_images = width(np.repeat(right, 10), np.arange(1000).astype(str))
    assert copied == pytest.approx(alone, rel=0.1)
    assert as_images < alone / 2


def test_intervals_do_not_depend_on_how_many_samples_are_held_at_a_time(monkeypatch):
    values = np.random.default_rng(0).random(60)
    groups = np.arange(60).astype(str)
    whole = GroupBootstrap(groups, 100).samples({"": _mean_of(values)})[""]
    monkeypatch.setattr(bootstrap_module, "_CELLS", 600)
    pieces = GroupBootstrap(groups, 100).samples({"": _mean_of(values)})[""]
    np.testing.assert_allclose(pieces, whole)


def test_an_interval_that_samples_do_not_define_is_none():
    assert interval(np.array([0.5, np.nan, np.nan])) is None
    assert interval(np.array([])) is None


def test_exact_intervals_are_the_rule_of_three():
    low, high = exact_interval(100, 100)
    assert high == 1
    assert low == pytest.approx(1 - 3.6 / 100, abs=0.001)


def test_p_values():
    assert two_sided_p(np.full(1000, 0.1)) == pytest.approx(0.001)
    assert two_sided_p(np.r_[np.full(500, 0.1), np.full(500, -0.1)]) == 1
    right, wrong = np.ones(10, bool), np.zeros(10, bool)
    assert mcnemar(right, wrong) == pytest.approx(2 * 0.5**10)
    assert mcnemar(right, right) == 1


def test_the_calibration_error_is_that_of_bins_of_equal_mass():
    random = np.random.default_rng(0)
    confidence = random.random(300)
    right = random.random(300) < confidence**2
    order = np.argsort(confidence)
    bins = np.array_split(order, BINS)
    expected = sum(abs(confidence[b].mean() - right[b].mean()) * len(b) for b in bins) / 300
    found = Reliability(confidence, right)
    assert found.error(np.ones((1, 300)))[0] == pytest.approx(expected)
    assert [one.images for one in found.curve()] == [20] * BINS
    # An image of weight two is the same image twice.
    weights = random.integers(0, 3, 300).astype(float)
    repeated = np.repeat(np.arange(300), weights.astype(int))
    twice = Reliability(confidence[repeated], right[repeated]).error(np.ones((1, len(repeated))))
    assert found.error(weights[None])[0] == pytest.approx(twice[0], abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_images_of_equal_confidence_are_judged_together_in_whatever_order(seed):
    right = np.arange(40) % 5 > 0  # 80 % of them
    order = np.random.default_rng(seed).permutation(40) if seed else np.argsort(right)
    found = Reliability(np.full(40, 0.8), right[order])
    assert found.error(np.ones((1, 40)))[0] == pytest.approx(0, abs=1e-12)
    assert [(one.images, one.accuracy) for one in found.curve()] == [(40, 0.8)]


def test_no_statistic_depends_on_the_order_of_the_images():
    random = np.random.default_rng(0)
    confidence = np.round(random.uniform(0.5, 1, 300), 2)  # many are tied
    right = random.random(300) < confidence
    weights = random.integers(0, 3, (2, 300)).astype(float)
    expected = Reliability(confidence, right), CoverageRisk.of(confidence, right)
    for order in (np.argsort(right), np.argsort(~right), random.permutation(300)):
        reliability = Reliability(confidence[order], right[order])
        np.testing.assert_allclose(
            reliability.error(weights[:, order]), expected[0].error(weights), atol=1e-12
        )
        assert [one.images for one in reliability.curve()] == [
            one.images for one in expected[0].curve()
        ]
        curve = CoverageRisk.of(confidence[order], right[order])
        assert curve.area == pytest.approx(expected[1].area)
        np.testing.assert_array_equal(curve.risk, expected[1].risk)


def test_a_calibrated_model_has_next_to_no_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 20_000)
    right = random.random(20_000) < confidence
    assert Reliability(confidence, right).error(np.ones((1, 20_000)))[0] < 0.015


def test_fewer_images_than_bins_are_no_trouble():
    assert len(Reliability(np.array([0.5, 0.9]), np.array([True, False])).curve()) == 2


def test_the_least_confident_images_are_referred_first():
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    curve = CoverageRisk.of(confidence, np.array([True, True, True, False]))
    assert curve.risk_at(1.0) == 0.25
    assert curve.risk_at(0.75) == 0
    assert curve.risk_at(0.5) == 0
    assert curve.area == pytest.approx(0.25 / 4)


def test_images_of_equal_confidence_are_answered_together():
    curve = CoverageRisk.of(np.full(4, 0.9), np.array([True, False, True, False]))
    np.testing.assert_array_equal(curve.coverage, [1.0])
    np.testing.assert_array_equal(curve.risk, [0.5])
