import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from components.errors import PipelineError
from components.trainer.confidence.calibration import Calibration, fit_calibration
from components.trainer.confidence.observations import Observations


def _observations(logits, labels) -> Observations:
    logits = np.asarray(logits, "float32")
    return Observations(logits, np.ones((len(logits), 2), "float32"), np.asarray(labels, "int64"))


def _drawn(count: int, temperature: float, seed: int = 0) -> Observations:
    """Labels drawn from a network's probabilities at a temperature that it does not know."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 4, (count, 4))
    labels = [random.choice(4, p=row) for row in softmax(logits / temperature, axis=1)]
    return _observations(logits, labels)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_the_labels_is_found(temperature):
    fitted = fit_calibration(_drawn(4000, temperature))
    assert fitted.temperature == pytest.approx(temperature, rel=0.1)


def test_unseen_images_are_better_calibrated_and_classified_as_before():
    fitted = fit_calibration(_drawn(600, 3.0))
    unseen = _drawn(600, 3.0, seed=1)
    before, after = log_softmax(unseen.logits, axis=1), np.log(fitted(unseen.logits))
    own = np.arange(600), unseen.labels
    assert -after[own].mean() < -before[own].mean() - 0.2
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))


def test_probabilities_are_the_softmax_of_divided_logits():
    probabilities = Calibration(2.0)(tf.constant([[2.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(
        probabilities, [[1 / (1 + np.exp(-1)), 1 / (1 + np.e)], [0.5, 0.5]], rtol=1e-6
    )


@pytest.mark.parametrize("count", [40, 400])
def test_a_split_without_mistakes_does_not_make_the_model_certain(count):
    labels = np.arange(count) % 4
    fitted = fit_calibration(_observations(np.eye(4)[labels] * 3, labels))
    best = fitted(tf.constant(np.eye(4, dtype="float32")[:1] * 3)).numpy().max()
    # one image more that is a quarter of every class: (n + 1 / classes) / (n + 1)
    assert best == pytest.approx((count + 1 / 4) / (count + 1), abs=0.01)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_too_few_images_fit_no_temperature(count):
    labels = np.arange(count) % 4
    assert fit_calibration(_observations(np.eye(4)[labels] * 9, labels)).temperature == 1


def test_a_temperature_that_chance_explains_is_not_used_and_the_log_says_so(caplog):
    caplog.set_level("INFO")
    for seed in range(5):  # a network that is calibrated as it is
        assert fit_calibration(_drawn(64, 1.0, seed)).temperature == 1
    assert "on 64 images of eval" in caplog.text


def test_a_network_that_is_much_too_sure_is_calibrated_on_a_small_split():
    for seed in range(5):
        assert fit_calibration(_drawn(64, 4.0, seed)).temperature > 1.5


def test_an_absent_class_and_hopeless_logits_still_give_numbers():
    assert np.isfinite(fit_calibration(_observations(np.eye(4)[[0, 1]], [0, 1])).temperature)
    labels = np.arange(12) % 4
    wrong = fit_calibration(_observations(np.eye(4)[(labels + 1) % 4] * 9, labels))
    assert wrong.temperature == pytest.approx(20, rel=0.01)


def test_faint_logits_are_not_sharpened_without_end():
    labels = np.arange(40) % 4
    faint = fit_calibration(_observations(np.eye(4)[labels] * 0.01, labels))
    assert faint.temperature == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_diverged_network_is_refused_in_words(bad):
    with pytest.raises(PipelineError, match=r"for 1 of 2 images: training diverged"):
        _observations([[0, 1], [bad, 0]], [0, 1])
