import numpy as np
import pytest

from components.errors import PipelineError
from components.trainer.confidence.foreign import fit_foreign
from components.trainer.confidence.observations import Observations
from components.trainer.config import ConfidenceConfig

CONFIG = ConfidenceConfig()


def _observations(features, classes: int = 3) -> Observations:
    features = np.asarray(features, "float32")
    labels = np.arange(len(features)) % classes
    return Observations(np.zeros((len(features), 4), "float32"), features, labels)


def _features(count: int, seed: int, width: int = 6) -> np.ndarray:
    """Correlated, skewed and positive, with a centre of its own for each of three classes."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(0, 0.3, (width, width))
    centres = np.random.default_rng(1).normal(0, 1, (3, width))
    return np.exp(random.normal(0, 1, (count, width)) @ mixing + centres[np.arange(count) % 3])


@pytest.fixture(scope="module")
def fitted():
    return fit_foreign(_observations(_features(600, 2)), _observations(_features(150, 3)), CONFIG)


def test_unseen_images_of_the_same_kind_pass(fitted):
    assert (fitted(_features(600, 4)).numpy() <= 1).mean() >= 0.98


def test_images_far_from_every_class_are_foreign(fitted):
    assert (fitted(np.full((2, 6), 200, "float32")).numpy() > 1).all()


def test_ordinary_values_in_a_combination_never_seen_are_foreign():
    random = np.random.default_rng(0)
    together = np.repeat(random.uniform(4, 16, (500, 1)), 24, axis=1)
    features = (together + random.normal(0, 0.1, together.shape)).astype("float32")
    fitted = fit_foreign(
        _observations(features[:400]), _observations(features[400:]), ConfidenceConfig()
    )
    assert fitted(np.full((1, 24), 14, "float32")).numpy() <= 1
    assert fitted(np.array([[15, 5] * 12], "float32")).numpy() > 1


def test_the_score_is_the_distance_by_the_textbook_formula(fitted):
    features = _features(600, 2).astype("float32")
    labels, roots = np.arange(600) % 3, np.sqrt(features.astype(float))
    means = np.stack([roots[labels == label].mean(axis=0) for label in range(3)])
    covariance = (roots - means[labels]).T @ (roots - means[labels]) / 600
    covariance = 0.9 * covariance + 0.1 * np.trace(covariance) / 6 * np.eye(6)
    apart = np.sqrt(_features(5, 7))[:, None] - means
    squares = np.einsum("ncd,de,nce->nc", apart, np.linalg.inv(covariance), apart)
    expected = np.sqrt(squares.min(axis=1)) / fitted.limit
    np.testing.assert_allclose(fitted(_features(5, 7).astype("float32")), expected, rtol=1e-3)


def test_more_deviations_flag_less(fitted):
    generous = fit_foreign(
        _observations(_features(600, 2)),
        _observations(_features(150, 3)),
        ConfidenceConfig(foreign_deviations=8),
    )
    assert generous.limit > fitted.limit


@pytest.mark.parametrize("constant", [0, 3])
def test_fewer_images_than_features_and_features_that_never_vary(constant):
    random = np.random.default_rng(0)
    features = random.uniform(1, 2, (8, 40)).astype("float32")
    features[:, :5] = constant
    fitted = fit_foreign(_observations(features), _observations(features[:1]), CONFIG)
    assert np.isfinite(fitted(features).numpy()).all()
    assert fitted(features[:1] * 100).numpy() > 1


def test_a_class_absent_from_training_is_no_centre():
    train = _observations(_features(60, 2), classes=1)
    fitted = fit_foreign(train, _observations(_features(30, 3)), CONFIG)
    assert fitted.centres.shape == (1, 6)
    assert np.isfinite(fitted(_features(3, 5).astype("float32")).numpy()).all()


def test_images_that_are_all_the_same_are_refused_in_words():
    same = _observations(np.ones((12, 4)))
    with pytest.raises(PipelineError, match="look the same"):
        fit_foreign(same, same, CONFIG)


def test_fitting_twice_gives_the_same_numbers(fitted):
    again = fit_foreign(_observations(_features(600, 2)), _observations(_features(150, 3)), CONFIG)
    assert again.limit == fitted.limit
    np.testing.assert_array_equal(again.projection, fitted.projection)
