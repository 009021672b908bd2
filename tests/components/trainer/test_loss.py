"""The loss of images for which more than one class may be right, against numbers by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.loss import AllowedClassesAccuracy, AllowedClassesLoss

SEEN = np.array([[0.2, 0.3, 0.4, 0.1]], np.float32)
TUMOUR = [1.0, 1.0, 0.0, 1.0]  # any but the third


def _loss(labels, seen=SEEN, smoothing: float = 0.0) -> float:
    loss = AllowedClassesLoss(smoothing)
    return float(loss(tf.constant([labels], tf.float32), tf.constant(seen)))


def test_the_right_classes_probabilities_are_summed():
    assert _loss([TUMOUR]) == pytest.approx(-np.log(0.6), abs=1e-6)
    assert _loss([[0, 1, 0, 0]]) == pytest.approx(-np.log(0.3), abs=1e-6)


def test_smoothing_takes_its_share_for_all_classes_alike():
    alike = -np.log(SEEN).mean()
    assert _loss([TUMOUR], smoothing=0.1) == pytest.approx(-0.9 * np.log(0.6) + 0.1 * alike)
    assert _loss([[0, 1, 0, 0]], smoothing=0.1) == pytest.approx(-0.9 * np.log(0.3) + 0.1 * alike)


def test_mixed_images_count_by_their_shares():
    both = [[0.7, 0.7, 0.0, 0.7], [0.0, 0.3, 0.0, 0.0]]
    assert _loss(both) == pytest.approx(-0.7 * np.log(0.6) - 0.3 * np.log(0.3))


def test_the_gradient_is_that_of_the_sum():
    logits = tf.Variable([[0.3, -0.2, 0.9, 0.1]])
    with tf.GradientTape(persistent=True) as tape:
        seen = tf.nn.softmax(logits)
        found = AllowedClassesLoss()(tf.constant([[TUMOUR]]), seen)
        expected = -tf.math.log(tf.reduce_sum(seen * TUMOUR))
    np.testing.assert_allclose(
        tape.gradient(found, logits), tape.gradient(expected, logits), atol=1e-6
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_of_one_right_class_it_is_keras_cross_entropy_to_the_last_bit(smoothing):
    generator = np.random.default_rng(0)
    logits = tf.constant(generator.normal(0, 30, (64, 4)), tf.float32)  # some are 0 after softmax
    one_hot = np.eye(4, dtype=np.float32)[generator.integers(4, size=64)]
    keras_own = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)

    @tf.function(autograph=False)
    def both():
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(logits)
            seen = tf.nn.softmax(logits)
            own = AllowedClassesLoss(smoothing)(one_hot[:, None], seen)
            expected = keras_own(one_hot, seen)
        return (own, tape.gradient(own, logits)), (expected, tape.gradient(expected, logits))

    for found, expected in zip(*both(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_network_that_is_sure_of_the_wrong_class_gets_numbers():
    sure = np.array([[0, 0, 1, 0]], np.float32)
    assert np.isfinite(_loss([TUMOUR], sure))
    assert _loss([TUMOUR], np.full_like(SEEN, np.nan)) != _loss(
        [TUMOUR], np.full_like(SEEN, np.nan)
    )


def test_any_right_class_counts_as_right_and_of_mixed_images_the_larger_share():
    accuracy = AllowedClassesAccuracy()
    for labels, seen, right in [
        ([TUMOUR], [0.1, 0.5, 0.4, 0.0], 1),
        ([TUMOUR], [0.1, 0.4, 0.5, 0.0], 0),
        ([[0.7, 0.7, 0.0, 0.7], [0.0, 0.0, 0.3, 0.0]], [0.6, 0.1, 0.3, 0.0], 1),
        ([[0.7, 0.7, 0.0, 0.7], [0.0, 0.0, 0.3, 0.0]], [0.2, 0.1, 0.7, 0.0], 0),
    ]:
        accuracy.reset_state()
        accuracy.update_state(tf.constant([labels], tf.float32), tf.constant([seen]))
        assert float(accuracy.result()) == right
