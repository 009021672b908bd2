"""Verdicts: Evaluator runs whole where TFMA's pipeline matters, else its judgement alone."""

import numpy as np
import pytest
from apache_beam.internal import pickler
from evaluating import evaluate
from judging import judged
from predicting import CLASSES, probabilities, write_predictions
from sklearn import metrics

from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.tfma_metric import TallyMetrics

pytestmark = pytest.mark.long

LABELS = np.arange(120) % 4
LOW = {"min_accuracy": 0, "min_tumour_sensitivity": 0, "min_class_recall": 0}


def _certain(predicted: np.ndarray) -> np.ndarray:
    return np.eye(4)[predicted] * 0.88 + 0.03


def _table(tmp_path, values, labels=LABELS, **settings) -> PredictionTable:
    folder = write_predictions(tmp_path / "predictions", labels, values, **settings)
    return PredictionTable.read(folder)


def test_what_computes_the_figures_reaches_other_processes():
    metric = TallyMetrics(CLASSES, CLASSES[0])
    [tally, derived] = pickler.loads(pickler.dumps(metric.computations()))
    answers = tally.combiner.create_accumulator()
    assert set(derived.result({tally.keys[0]: answers})) == set(derived.keys)


def test_tfma_says_what_scikit_learn_says(tmp_path):
    values = probabilities(LABELS, 0.85)
    predicted = values.argmax(1)
    # A baseline that nothing can be compared with leaves the model's own figures as they are.
    folder = write_predictions(tmp_path / "predictions", LABELS, values, **_memory(112))
    verdict, blessing = evaluate(folder, tmp_path, EvaluateConfig(compare=False))
    assert verdict.blessed
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_int_custom_property("current_model_id") == 7
    expected = {
        "accuracy": metrics.accuracy_score(LABELS, predicted),
        "balanced accuracy": metrics.balanced_accuracy_score(LABELS, predicted),
        "macro precision": metrics.precision_score(LABELS, predicted, average="macro"),
        "macro f1": metrics.f1_score(LABELS, predicted, average="macro"),
        "tumour sensitivity": metrics.recall_score(LABELS != 2, predicted != 2),
        "brier": np.square(values.astype(np.float32) - np.eye(4)[LABELS]).sum(1).mean(),
    }
    by_class = metrics.precision_recall_fscore_support(LABELS, predicted)
    for index, name in enumerate(CLASSES):
        for figure, values_by_class in zip(("precision", "recall", "f1"), by_class, strict=False):
            expected[f"{figure} of {name}"] = values_by_class[index]
        expected[f"auc of {name}"] = metrics.roc_auc_score(index == LABELS, values[:, index])
    for name, value in expected.items():
        tolerance = 2e-3 if name.startswith("auc") else 1e-6  # TFMA's AUC counts in 1,000 steps
        assert verdict.figures[name] == pytest.approx(value, abs=tolerance), name
    assert verdict.seen.examples == 30
    assert verdict.novel.examples == 90


def test_what_the_pipeline_finds_missed_is_what_the_judgement_alone_finds(tmp_path):
    known = np.arange(120) < 60
    predicted = np.where(np.arange(120) % 4 == 0, 1, LABELS)
    config = EvaluateConfig(
        max_accuracy_drop=0.05,
        thresholds=(
            {"metric": "accuracy", "slice": "seen=seen", "min": 0.6},
            {"metric": "accuracy", "slice": "plane=axial", "min": 0.1},
            {"metric": "recall", "of": "glioma", "min": 0, "max": 0.5, "max_drop": 0.4},
            {"metric": "recall", "of": "nothing", "min": 0},
            {"metric": "brier", "max_drop": 0.1, "slice": "size=512 px"},
        ),
    )
    folder = write_predictions(
        tmp_path / "predictions",
        LABELS,
        _certain(predicted),
        baseline=_certain(LABELS),
        known_to_model=known,
    )
    verdict, blessing = evaluate(folder, tmp_path, config)
    assert blessing.get_int_custom_property("blessed") == 0
    assert "accuracy on seen=seen is 0.000 (limit: at least 0.600)" in verdict.reasons
    assert "a threshold names a class that does not exist: nothing" in verdict.reasons
    alone = judged(PredictionTable.read(folder), config)
    assert verdict.reasons == alone.reasons
    assert [one.met for one in verdict.checks] == [one.met for one in alone.checks]
    for one, other in zip(verdict.checks, alone.checks, strict=True):
        assert (one.figure, one.value) == (other.figure, pytest.approx(other.value))
    assert (verdict.compared, verdict.set_aside) == (alone.compared, alone.set_aside)
    assert verdict.compared == 60


def test_two_classes_swapped_are_refused_by_metric_and_class(tmp_path):
    swapped = np.array([1, 0, 2, 3])[LABELS]
    verdict = judged(_table(tmp_path, _certain(swapped)))
    assert not verdict.blessed
    assert verdict.reasons == (
        "accuracy is 0.500 (limit: at least 0.800)",
        "recall of glioma is 0.000 (limit: at least 0.500)",
        "recall of meningioma is 0.000 (limit: at least 0.500)",
    )


def test_a_class_that_is_never_predicted_is_refused(tmp_path):
    never = np.where(LABELS == 3, 2, LABELS)
    config = EvaluateConfig(min_accuracy=0.7)
    reasons = judged(_table(tmp_path, _certain(never)), config).reasons
    assert reasons == (
        "tumour sensitivity is 0.667 (limit: at least 0.900)",
        "recall of pituitary is 0.000 (limit: at least 0.500)",
    )


def test_a_slice_has_its_own_threshold(tmp_path):
    predicted = np.where(np.arange(120) % 4 == 0, 1, LABELS)  # all that were seen are wrong
    config = EvaluateConfig(
        **LOW,
        thresholds=(
            {"metric": "accuracy", "slice": "seen=seen", "min": 0.6},
            {"metric": "accuracy", "slice": "seen=novel", "min": 0.6},
            {"metric": "accuracy", "slice": "plane=axial", "min": 0.1},
        ),
    )
    reasons = judged(_table(tmp_path, _certain(predicted)), config).reasons
    assert reasons == (
        "accuracy on seen=seen is 0.000 (limit: at least 0.600)",
        "accuracy on plane=axial cannot be computed (limit: at least 0.100)",
    )


def test_of_two_thresholds_on_one_figure_the_one_that_is_missed_is_named(tmp_path):
    predicted = np.where(np.arange(120) < 36, 1, LABELS)  # 9 of 30 of each other class
    config = EvaluateConfig(
        min_accuracy=0,
        min_tumour_sensitivity=0,
        min_class_recall=0.5,
        thresholds=(
            {"metric": "recall", "of": "glioma", "min": 0.85},
            {"metric": "recall", "of": "glioma", "max": 0.95},
            {"metric": "recall", "of": "glioma", "max_drop": 0.4},
        ),
    )
    verdict = judged(_table(tmp_path, _certain(predicted), baseline=_certain(LABELS)), config)
    assert "recall of glioma is 0.700 (limit: at least 0.850)" in verdict.reasons
    of_glioma = [check.met for check in verdict.checks if "recall of glioma" in check.figure]
    assert of_glioma == [True, False, True, True]
    assert len(verdict.reasons) == 2  # the other: accuracy's drop


def test_a_drop_against_the_last_blessed_model_is_refused(tmp_path):
    worse = np.where(np.arange(120) < 12, 2, LABELS)
    config = EvaluateConfig(**LOW, max_accuracy_drop=0.05, max_tumour_sensitivity_drop=0.2)
    verdict = judged(_table(tmp_path, _certain(worse), baseline=_certain(LABELS)), config)
    assert verdict.reasons == (
        "accuracy fell by 0.075 against the last blessed model (limit 0.050)",
    )
    assert verdict.accuracy == pytest.approx(0.925)


def test_no_worse_than_the_last_blessed_model_is_blessed(tmp_path):
    config = EvaluateConfig(**LOW, max_accuracy_drop=0, max_tumour_sensitivity_drop=0)
    assert judged(_table(tmp_path, _certain(LABELS), baseline=_certain(LABELS)), config).blessed


def _memory(share: int) -> dict[str, np.ndarray]:
    """A baseline that has every image right by heart of the first ones, and the rest wrong."""
    known = np.arange(120) < share
    wrong = np.where(LABELS == 2, 0, 2)
    return {"baseline": _certain(np.where(known, LABELS, wrong)), "known_to_baseline": known}


def test_a_last_blessed_model_does_not_win_by_memory(tmp_path):
    # Right in 20 of the 40 images that are new to both; the other in none of them.
    found = np.where(np.arange(120) < 100, np.where(LABELS == 2, 0, 2), LABELS)
    config = EvaluateConfig(**LOW, max_accuracy_drop=0, max_tumour_sensitivity_drop=0)
    verdict = judged(_table(tmp_path, _certain(found), **_memory(80)), config)
    assert verdict.reasons == ()
    assert verdict.blessed
    assert verdict.compared == 40
    assert verdict.set_aside == (
        "80 of 120 test images match images that the last blessed model was trained on"
    )
    drop = next(check for check in verdict.checks if "fall in accuracy" in check.figure)
    assert drop.value == pytest.approx(-0.5)
    assert verdict.accuracy == pytest.approx(20 / 120)  # its own figures are of all images


def test_a_drop_on_images_that_are_new_to_both_is_refused(tmp_path):
    config = EvaluateConfig(
        **LOW,
        max_accuracy_drop=1,
        max_tumour_sensitivity_drop=1,
        thresholds=({"metric": "accuracy", "slice": "size=under 256 px", "max_drop": 0.1},),
    )
    # On images that it knows the candidate shines, and of the others it has none right.
    known = np.arange(120) < 60
    found = np.where(known, LABELS, np.where(LABELS == 2, 0, 2))
    baseline = _certain(np.where(known, 3 - LABELS, LABELS))
    table = _table(tmp_path, _certain(found), baseline=baseline, known_to_model=known)
    verdict = judged(table, config)
    assert verdict.reasons == (
        "accuracy fell by 1.000 against the last blessed model on size=under 256 px (limit 0.100)",
    )
    assert verdict.set_aside == (
        "60 of 120 test images match images that this model was trained on"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            _memory(112),
            "112 of 120 test images match images that the last blessed model was trained on, and "
            "the 8 that are left are too few to say anything (evaluate.min_compared=10)",
        ),
        (
            {**_memory(120), "known_to_model": np.arange(120) < 30},
            "120 of 120 test images match images that one of the two models (the last blessed "
            "model: 120, this model: 30) was trained on",
        ),
        (
            {**_memory(0), "baseline_unknown": "the record of its training images is gone"},
            "which of the test images the last blessed model knows from its training cannot be "
            "determined, because the record of its training images is gone",
        ),
        (
            {**_memory(0), "training_unknown": "the record of its training images is gone"},
            "which of the test images this model knows from its training cannot be "
            "determined, because the record of its training images is gone",
        ),
    ],
)
def test_where_nothing_can_be_compared_the_model_is_refused_until_it_starts_anew(
    tmp_path, settings, words
):
    table = _table(tmp_path, _certain(LABELS), **settings)
    verdict = judged(table, EvaluateConfig(**LOW))
    assert not verdict.blessed
    [reason] = verdict.reasons
    assert words in reason
    assert reason.endswith("; evaluate.compare=false starts again without a comparison")
    assert verdict.compared is None
    assert judged(table, EvaluateConfig(**LOW, compare=False)).blessed


def test_the_first_model_is_blessed_whatever_it_was_trained_on(tmp_path):
    unknown = "the record of its training images is gone"
    settings = {"training_unknown": unknown, "baseline_unknown": unknown}
    assert judged(_table(tmp_path, _certain(LABELS), **settings), EvaluateConfig(**LOW)).blessed


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(0, int), "test split is empty"),
        (np.zeros(30, int), "no image of meningioma, notumor, pituitary"),
        (np.full(30, -1), "30 of 30 test images have no label"),
        (np.zeros(1, int), "has one image"),
    ],
)
def test_test_images_that_allow_no_figure_refuse_the_model(tmp_path, labels, words):
    values = np.full((len(labels), 4), 0.25)
    verdict = judged(_table(tmp_path, values, labels), EvaluateConfig(**LOW))
    assert not verdict.blessed
    assert words in verdict.reasons[0]
    if not (labels >= 0).any():
        assert verdict.accuracy is None


def test_probabilities_that_are_no_numbers_refuse_the_model(tmp_path):
    values = _certain(LABELS)
    values[5, 2] = np.nan
    folder = write_predictions(tmp_path / "predictions", LABELS, values)
    verdict, blessing = evaluate(folder, tmp_path, EvaluateConfig(**LOW))
    assert blessing.get_int_custom_property("blessed") == 0
    assert verdict.reasons == ("the model gave no finite probabilities for 1 of 120 test images",)
    assert verdict.accuracy is None


def test_a_baseline_of_other_classes_refuses_until_it_is_left_out(tmp_path):
    problem = {
        "baseline_problem": "the last blessed model knows other classes (a, b) than this one"
    }
    table = _table(tmp_path, _certain(LABELS), **problem)
    verdict = judged(table, EvaluateConfig(**LOW))
    assert "knows other classes" in verdict.reasons[0]
    assert "evaluate.compare=false" in verdict.reasons[0]
    assert judged(table, EvaluateConfig(**LOW, compare=False)).blessed


def test_classes_without_a_healthy_one_are_refused_until_said_so(tmp_path):
    classes = ("glioma", "meningioma", "metastasis", "pituitary")
    table = _table(tmp_path, _certain(LABELS), classes=classes)
    verdict = judged(table, EvaluateConfig(**LOW))
    assert "no class is named 'notumor'" in verdict.reasons[0]
    verdict = judged(table, EvaluateConfig(**LOW, healthy_class=None))
    assert verdict.blessed
    assert "tumour sensitivity" not in verdict.figures
