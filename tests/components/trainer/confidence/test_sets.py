import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from components.trainer.confidence.sets import PredictionSets, fit_sets

CLASSES = ("glioma", "meningioma", "notumor")


def _drawn(groups: int, seed: int, size: int = 1):
    """Labels drawn from probabilities of an unsure network; in a group all images are alike."""
    random = np.random.default_rng(seed)
    probabilities = softmax(random.normal(0, 1.5, (groups, 3)), axis=1)
    labels = np.array([random.choice(3, p=row) for row in probabilities])
    sizes = random.integers(1, size + 1, groups)
    of = np.repeat(np.arange(groups), sizes)
    return probabilities[of].astype("float32"), labels[of], of.astype(str)


def _textbook(probabilities, labels, level):
    """Of n scores 1 - p, the ceil((n + 1) level)-th smallest; nothing is excluded without it."""
    found = []
    for index in range(probabilities.shape[1]):
        scores = np.sort(1 - probabilities[labels == index, index].astype(np.float64))
        rank = int(np.ceil((len(scores) + 1) * level - 1e-9))
        found.append(1 - scores[rank - 1] if rank <= len(scores) else 0.0)
    return found


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("count", [12, 57, 400])
def test_images_without_copies_give_the_thresholds_of_the_textbook(count, level):
    probabilities, labels, groups = _drawn(count, seed=count)
    fitted = fit_sets(probabilities, labels, groups, level)
    expected = _textbook(probabilities, labels, level)
    np.testing.assert_allclose(fitted.thresholds, expected, atol=1e-6)


def test_sets_hold_each_class_as_often_as_they_promise_over_fifty_splits():
    held = []
    for seed in range(50):
        fitted = fit_sets(*_drawn(600, seed, size=4), 0.9)
        probabilities, labels, _ = _drawn(600, 1000 + seed)
        sets = fitted(tf.constant(probabilities)).numpy()
        right = sets[np.arange(len(labels)), labels]
        held.append([right[labels == index].mean() for index in range(3)])
        assert 1 < sets.sum(1).mean() < 3
    np.testing.assert_allclose(np.mean(held, axis=0), 0.9, atol=0.02)


def test_copies_of_an_image_are_no_further_evidence():
    probabilities, labels, groups = _drawn(80, seed=3)
    often = np.repeat(np.arange(80), np.where(np.arange(80) % 7 == 0, 40, 1))
    copied = fit_sets(probabilities[often], labels[often], groups[often], 0.9)
    once = fit_sets(probabilities, labels, groups, 0.9)
    np.testing.assert_allclose(copied.thresholds, once.thresholds)
    ungrouped = fit_sets(probabilities[often], labels[often], np.arange(len(often)), 0.9)
    assert ungrouped.thresholds != once.thresholds


def test_a_class_of_too_few_groups_is_in_every_set_and_the_log_says_so(caplog):
    caplog.set_level("INFO")
    labels = np.repeat([0, 1], [9, 8])
    probabilities = np.tile(np.float32([0.97, 0.02, 0.01]), (17, 1))
    groups = np.arange(17).astype(str)
    fitted = fit_sets(probabilities, labels, groups, 0.9, CLASSES)
    assert fitted.thresholds == pytest.approx((0.97, 0, 0))
    assert fitted(tf.constant(probabilities[:1])).numpy().all()
    assert "meningioma is in every prediction set: eval has 8 groups" in caplog.text
    assert "takes 9" in caplog.text
    assert "glioma is in" not in caplog.text.replace("meningioma is in", "")


def test_a_probability_of_zero_is_not_taken_for_too_few_groups(caplog):
    caplog.set_level("INFO")
    labels = np.repeat([0, 1], 20)
    probabilities = np.tile(np.float32([1, 0, 0]), (40, 1))
    fitted = fit_sets(probabilities, labels, np.arange(40).astype(str), 0.9, CLASSES)
    assert fitted.thresholds[:2] == (1, 0)
    assert "meningioma is in every" not in caplog.text


def test_the_answer_is_in_its_set_however_unlikely_it_is():
    sets = PredictionSets(0.9, (0.9, 0.9, 0.4))(tf.constant([[0.5, 0.1, 0.4], [0.2, 0.6, 0.2]]))
    np.testing.assert_array_equal(sets, [[True, False, True], [False, True, False]])
