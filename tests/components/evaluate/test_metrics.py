"""Figures on answers that are known, beside scikit-learn's."""

from typing import get_args

import numpy as np
import pytest
from predicting import CLASSES, probabilities
from sklearn import metrics as sklearn

from components.evaluate.config import ONE_CLASS, MetricName
from components.evaluate.metrics import Answers, metrics


def test_what_can_have_a_threshold_is_what_is_defined():
    known = metrics(CLASSES, "notumor")
    assert {name for name, _ in known} == set(get_args(MetricName))
    assert {name for name, of in known if of is not None} == set(ONE_CLASS)
    assert not [name for name, _ in metrics(CLASSES, None) if "tumour" in name]


def test_a_tally_of_all_images_is_the_sum_of_those_of_its_parts():
    labels = np.arange(60) % 4
    values = probabilities(labels, 0.7)
    whole = Answers(labels, values).tally()
    parts = [Answers(labels[part], values[part]).tally() for part in np.split(np.arange(60), 6)]
    added = sum(parts[1:], parts[0])
    for metric in metrics(CLASSES, "notumor").values():
        np.testing.assert_allclose(metric.of(added), metric.of(whole), rtol=1e-12)


def test_a_weight_of_two_is_the_same_image_twice():
    labels = np.arange(60) % 4
    values = probabilities(labels, 0.7)
    weights = np.random.default_rng(0).integers(0, 3, (3, 60)).astype(float)
    weighed = Answers(labels, values).tally(weights)
    for row, weight in enumerate(weights.astype(int)):
        repeated = Answers(np.repeat(labels, weight), np.repeat(values, weight, axis=0)).tally()
        for key, metric in metrics(CLASSES, "notumor").items():
            assert metric.of(weighed)[row] == pytest.approx(metric.of(repeated)[0]), key


def test_a_class_that_is_never_predicted_or_not_there_counts_as_scikit_learn_has_it():
    labels = np.array([0, 0, 1, 1, 2, 2])  # no image of the last
    predicted = np.array([0, 2, 0, 0, 2, 2])  # the second is never predicted
    tally = Answers(labels, np.eye(4)[predicted]).tally()
    known = metrics(CLASSES, "notumor")
    among = {"labels": [0, 1, 2], "average": "macro", "zero_division": 0}
    for name, expected in {
        "macro_precision": sklearn.precision_score(labels, predicted, **among),
        "macro_f1": sklearn.f1_score(labels, predicted, **among),
        "balanced_accuracy": sklearn.balanced_accuracy_score(labels, predicted),
        "tumour_sensitivity": sklearn.recall_score(labels != 2, predicted != 2),
        "tumour_specificity": sklearn.recall_score(labels == 2, predicted == 2),
    }.items():
        assert known[name, None].of(tally)[0] == pytest.approx(expected), name
    assert np.isnan(known["recall", "pituitary"].of(tally)[0])
    assert np.isnan(known["precision", "meningioma"].of(tally)[0])
    assert known["recall", "meningioma"].of(tally)[0] == 0


def test_a_share_knows_its_images():
    labels, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 0, 2])
    answers = Answers(labels, np.eye(4)[predicted])
    recall = metrics(CLASSES, None)["recall", "glioma"]
    np.testing.assert_array_equal(answers.among(recall.about), labels == 0)
    np.testing.assert_array_equal(
        answers.among(recall.about & recall.hits), (labels == 0) & (predicted == 0)
    )
