"""The figures of the report are scikit-learn's."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from predicting import CLASSES, cut, predictions, probabilities, write_predictions
from sklearn import metrics

from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.table import PREDICTIONS_FILE, PredictionTable
from components.evaluate.report.measure import measure
from components.reasons import UNSURE

CONFIG = EvaluateConfig(resamples=200)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> PredictionTable:
    return predictions(tmp_path_factory.mktemp("predictions"), 400, 0.8)


@pytest.fixture(scope="module")
def figures(good):
    return measure(good, CONFIG)


def test_headline_figures_equal_scikit_learn(good, figures):
    labels, values = good.labels, good.probabilities
    predicted = values.argmax(1)
    expected = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "macro_precision": metrics.precision_score(labels, predicted, average="macro"),
        "macro_f1": metrics.f1_score(labels, predicted, average="macro"),
        "tumour_sensitivity": metrics.recall_score(labels != 2, predicted != 2),
        "tumour_specificity": metrics.recall_score(labels == 2, predicted == 2),
        "tumour_auc": metrics.roc_auc_score(labels != 2, 1 - values[:, 2]),
        "brier": np.square(values - np.eye(4)[labels]).sum(1).mean(),
    }
    for name, value in expected.items():
        assert figures.headline[name].value == pytest.approx(value, abs=1e-6), name


def test_figures_of_each_class_equal_scikit_learn(good, figures):
    labels, values = good.labels, good.probabilities
    predicted = values.argmax(1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(labels, predicted)
    for index, name in enumerate(CLASSES):
        row, truth = figures.by_class[name], labels == index
        expected = {
            "precision": precision[index],
            "recall": recall[index],
            "f1": f1[index],
            "specificity": metrics.recall_score(~truth, predicted != index),
            "auc": metrics.roc_auc_score(truth, values[:, index]),
            "average_precision": metrics.average_precision_score(truth, values[:, index]),
        }
        for figure, value in expected.items():
            assert row[figure].value == pytest.approx(value, abs=1e-6), (name, figure)
        assert row["recall"].images == support[index]
    np.testing.assert_array_equal(figures.confusion, metrics.confusion_matrix(labels, predicted))


def test_tied_scores_count_as_scikit_learn_counts_them(tmp_path):
    labels = np.arange(200) % 4
    coarse = np.round(probabilities(labels, 0.7) * 8) / 8 + 0.01
    found = PredictionTable.read(write_predictions(tmp_path, labels, coarse))
    row = measure(found, CONFIG).by_class["glioma"]
    scores = found.probabilities[:, 0]
    assert row["auc"].value == pytest.approx(metrics.roc_auc_score(labels == 0, scores), abs=1e-6)
    expected = metrics.average_precision_score(labels == 0, scores)
    assert row["average_precision"].value == pytest.approx(expected, abs=1e-6)


def test_every_share_lies_in_its_interval(figures):
    shown = {
        **figures.headline,
        **{str(row): f for row in figures.by_class.values() for f in row.values()},
    }
    for name, figure in shown.items():
        if "ece" in name:
            continue  # the bootstrap of an error of bins is biased upwards
        assert figure.low <= figure.value <= figure.high, name


def test_a_model_that_misses_nothing_still_has_an_interval(tmp_path):
    labels = np.arange(120) % 4
    found = PredictionTable.read(
        write_predictions(tmp_path, labels, np.eye(4)[labels] * 0.9 + 0.025)
    )
    headline = measure(found, CONFIG).headline
    sensitivity = headline["tumour_sensitivity"]
    assert sensitivity.value == sensitivity.high == 1
    assert sensitivity.exact
    # Clopper and Pearson's bound for 40 groups, not for 90 images.
    assert sensitivity.low == pytest.approx(0.025 ** (1 / 40), abs=1e-6)
    # Of what is no share there is none, rather than one of no width.
    assert headline["tumour_auc"].value == 1
    assert headline["tumour_auc"].low is None
    assert headline["tumour_auc"].missing


def test_seen_and_novel_are_kept_apart(good, figures):
    slices = {(one.feature, one.value): one for one in figures.slices}
    right = good.probabilities.argmax(1) == good.labels
    for value in ("seen", "novel"):
        inside = good.slices["seen"] == value
        assert slices["seen", value].images == inside.sum()
        assert slices["seen", value].accuracy.value == pytest.approx(right[inside].mean())
    assert not [one for one in figures.slices if one.feature == "plane"]  # nobody knows it
    thirds = [one.images for one in figures.slices if one.feature == "intensity"]
    assert len(thirds) == 3
    assert max(thirds) - min(thirds) <= 1


def test_foreign_images_are_told_from_test_images(good, figures):
    foreign = good.foreign
    together = np.r_[good.ood_score, foreign.ood_score]
    is_foreign = np.r_[np.zeros(400), np.ones(len(foreign.ood_score))]
    expected = metrics.roc_auc_score(is_foreign, together)
    assert figures.foreign["all"].value == pytest.approx(expected, abs=1e-6)
    assert figures.flagged["test images"].value == pytest.approx((~good.in_distribution).mean())
    assert set(figures.flagged) == {"test images", *foreign.kinds}


def test_an_older_graph_has_no_figure_for_what_it_does_not_say(tmp_path):
    found = measure(predictions(tmp_path, 80, outputs=False), CONFIG)
    assert found.flagged == {}
    assert found.foreign == {}
    assert "ece_uncalibrated" not in found.headline
    assert "referred" not in found.headline
    assert found.reasons == {}
    assert found.sets is None
    assert len(found.missing) == 5


def test_reasons_are_counted_over_all_images(good, figures):
    assert set(figures.reasons) == {UNSURE}
    assert figures.reasons[UNSURE].value == pytest.approx(good.refer.mean())


def test_sets_are_held_to_their_promise(good, figures):
    held = good.prediction_set[np.arange(400), good.labels]
    sizes = good.prediction_set.sum(1)
    sets = figures.sets
    assert (sets.level, sets.coverage.images) == (0.9, 400)
    assert sets.coverage.value == pytest.approx(held.mean())
    assert sets.coverage.low < held.mean() < sets.coverage.high
    assert sets.size.value == pytest.approx(sizes.mean())
    assert sets.single.value == pytest.approx((sizes == 1).mean())
    for index, name in enumerate(CLASSES):
        assert sets.by_class[name].value == pytest.approx(held[good.labels == index].mean())


def test_the_promise_counts_the_images_of_a_class_in_a_group_as_one(good, figures):
    held = good.prediction_set[np.arange(400), good.labels]
    frame = pd.DataFrame({"held": held, "group": good.groups, "label": good.labels})
    # One group has its first class ten times more, which is no further evidence.
    more = np.r_[np.arange(400), np.repeat(int(np.flatnonzero(~held)[0]), 10)]
    expected = frame.groupby(["group", "label"])["held"].mean().mean()
    sets = measure(good.only(more), CONFIG).sets
    assert figures.sets.promised.value == pytest.approx(expected)
    assert sets.coverage.value == pytest.approx(held[more].mean())
    again = frame.loc[more].groupby(["group", "label"])["held"].mean().mean()
    assert sets.promised.value == pytest.approx(again) != sets.coverage.value


def test_predictions_from_before_there_were_reasons_are_read(good, tmp_path):
    labels = np.arange(40) % 4
    folder = write_predictions(tmp_path, labels, probabilities(labels, 0.8))
    file = folder / PREDICTIONS_FILE
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["reasons", "prediction_set", "set_level"]), file)
    older = PredictionTable.read(folder)
    assert older.reasons is None
    assert older.prediction_set is None
    assert measure(older, CONFIG).reasons == {}
    assert measure(older, CONFIG).sets is None


def test_nothing_is_invented_where_nothing_can_be_computed(tmp_path):
    labels = np.full(30, -1)
    values = np.full((30, 4), 0.25)
    unlabelled = measure(
        PredictionTable.read(write_predictions(tmp_path / "u", labels, values)), CONFIG
    )
    values = values.copy()
    values[3, 1] = np.nan
    labels = np.arange(30) % 4
    undefined = measure(
        PredictionTable.read(write_predictions(tmp_path / "n", labels, values)), CONFIG
    )
    empty = measure(
        PredictionTable.read(write_predictions(tmp_path / "e", labels[:0], values[:0])), CONFIG
    )
    for found, words in (
        (unlabelled, "30 of 30 test images have no label"),
        (undefined, "no finite probabilities for 1 of 30"),
        (empty, "test split is empty"),
    ):
        assert words in found.missing[0]
        assert found.headline == {}
        assert found.by_class == {}
        assert found.confusion == ()
        assert found.comparison is None


def test_one_class_has_no_figures_against_the_others(tmp_path):
    labels = np.zeros(30, int)
    values = probabilities(labels, 0.8)
    found = measure(PredictionTable.read(write_predictions(tmp_path, labels, values)), CONFIG)
    assert "no image of meningioma, notumor, pituitary" in found.missing[0]
    assert found.by_class["meningioma"]["recall"].value is None
    assert found.by_class["glioma"]["auc"].value is None
    assert found.headline["tumour_specificity"].value is None
    assert found.headline["tumour_specificity"].missing
    assert found.headline["accuracy"].value is not None


def test_one_image_is_no_evidence(good):
    found = measure(cut(good, 1), CONFIG)
    assert "one image" in found.missing[0]


def test_a_model_is_compared_image_by_image(tmp_path):
    labels = np.arange(240) % 4
    worse = probabilities(labels, 0.5, seed=4)
    found = predictions(tmp_path, 240, 0.9, baseline=worse)
    comparison = measure(found, CONFIG).comparison
    right = found.probabilities.argmax(1) == labels
    other = found.baseline.argmax(1) == labels
    assert comparison.better == (right & ~other).sum()
    assert comparison.worse == (other & ~right).sum()
    difference = comparison.differences["accuracy"]
    assert difference.value == pytest.approx(right.mean() - other.mean())
    assert 0 < difference.low < difference.value < difference.high
    assert comparison.p_values["accuracy"] <= 0.01
    assert comparison.mcnemar < 0.01


def test_the_same_model_is_no_better_than_itself(tmp_path):
    labels = np.arange(120) % 4
    same = probabilities(labels, 0.9)
    comparison = measure(predictions(tmp_path, 120, 0.9, baseline=same), CONFIG).comparison
    assert comparison.differences["accuracy"].value == 0
    assert comparison.p_values["accuracy"] == 1
    assert comparison.mcnemar == 1


def test_images_that_a_training_knows_speak_for_neither_model(tmp_path):
    labels = np.arange(240) % 4
    known = np.arange(240) < 200
    wrong = np.eye(4)[(labels + 1) % 4]
    found = predictions(
        tmp_path,
        240,
        0.9,
        baseline=np.where(known[:, None], np.eye(4)[labels], wrong),
        known_to_baseline=np.arange(240) < 150,
        known_to_model=(np.arange(240) >= 100) & known,
    )
    figures = measure(found, CONFIG)
    comparison, right = figures.comparison, found.probabilities.argmax(1) == labels
    assert comparison.images == 40
    assert comparison.set_aside == (
        "200 of 240 test images match images that one of the two models (the last blessed model: "
        "150, this model: 100) was trained on"
    )
    assert (comparison.better, comparison.worse) == (right[~known].sum(), 0)
    assert comparison.own["accuracy"] == pytest.approx(right[~known].mean())
    assert comparison.other["accuracy"] == 0
    assert comparison.differences["accuracy"].images == 40
    assert figures.headline["accuracy"].images == 240


def test_too_few_images_that_are_new_to_both_are_not_compared_on(tmp_path):
    labels = np.arange(80) % 4
    known = np.arange(80) < 71
    found = predictions(tmp_path, 80, baseline=np.eye(4)[labels], known_to_baseline=known)
    figures = measure(found, CONFIG)
    assert figures.comparison is None
    assert "71 of 80 test images match" in figures.comparison_missing
    less = CONFIG.model_copy(update={"min_compared": 9})
    assert measure(found, less).comparison.images == 9


def test_a_model_of_unknown_training_is_not_compared(tmp_path):
    labels = np.arange(80) % 4
    unknown = "the record of its training images is gone"
    found = predictions(tmp_path, 80, baseline=np.eye(4)[labels], training_unknown=unknown)
    figures = measure(found, CONFIG)
    assert figures.comparison is None
    assert "this model knows from its training cannot be determined" in figures.comparison_missing
    assert unknown in figures.comparison_missing


def test_a_baseline_that_cannot_be_compared_is_named(tmp_path):
    found = measure(predictions(tmp_path, 80, baseline_problem="its files are gone"), CONFIG)
    assert found.comparison is None
    assert found.comparison_missing == "its files are gone"
    assert "its files are gone" in found.missing[0]


def test_figures_are_read_as_they_were_written(figures, tmp_path):
    figures.write(tmp_path)
    assert type(figures).read(tmp_path) == figures
