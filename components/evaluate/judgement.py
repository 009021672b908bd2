"""From predictions to a verdict: what TFMA measured, and which thresholds it found missed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.evaluate.checks import comparison_problem, computable, problems, set_aside
from components.evaluate.config import OVERALL, EvaluateConfig
from components.evaluate.metrics import finite, metric_name
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.thresholds import CANDIDATE, Demand, demands, eval_config, slice_words
from components.evaluate.verdict import Check, ModelVerdict, SliceAccuracy

_CLASS_ID = "classId:"

BySlice = dict[str, dict[str, float]]
"""Values by slice (`FEATURE=VALUE`, or empty) and figure."""
Measure = Callable[[config_pb2.EvalConfig], tuple[BySlice, Any]]
"""Gives TFMA's figures and its ValidationResult."""
_Missed = set[tuple[str, str, bytes]]
"""Metric, slice in words, and bounds as TFMA has them, of thresholds."""


def judge(
    predictions: PredictionTable,
    config: EvaluateConfig,
    measure: Measure,
    further: Sequence[Check] = (),
) -> ModelVerdict:
    """Judges a model. What is wrong with the predictions is a reason to refuse it.

    Args:
        predictions: Of the test images.
        config: What it takes to be blessed.
        measure: Computes figures; not called where none can be.
        further: Thresholds on what is not among the predictions.

    Returns:
        The verdict; whether a threshold on the predictions is met is TFMA's word.
    """
    found = problems(predictions, config)
    if not computable(predictions):
        return ModelVerdict(blessed=False, reasons=tuple(found), examples=len(predictions))
    if config.healthy_class not in predictions.classes:
        config = config.model_copy(update={"healthy_class": None})
    has_baseline = (
        config.compare
        and predictions.baseline is not None
        and not comparison_problem(predictions, config)
    )
    classes = predictions.classes
    demanded = demands(config, classes, has_baseline=has_baseline)
    settings = eval_config(config, classes, demanded, has_baseline=has_baseline)
    figures, validation = measure(settings)
    missed = _missed(validation)
    checks = (*(_check(one, figures, missed) for one in demanded), *further)
    reasons = found + [check.reason for check in checks if not check.met]
    if not validation.validation_ok and not reasons:
        reasons.append(
            "TFMA refuses the model: a threshold is on a figure, class or slice that does not exist"
        )
    overall = figures.get(OVERALL, {})
    compared = int(predictions.new_to_both.sum()) if has_baseline else None
    return ModelVerdict(
        blessed=not reasons,
        reasons=tuple(reasons),
        examples=len(predictions),
        figures={name: finite(value) for name, value in sorted(overall.items())},
        accuracy_by_class={
            name: recall
            for name in classes
            if (recall := finite(overall.get(metric_name("recall", name)))) is not None
        },
        seen=_accuracy(figures.get("seen=seen", {})),
        novel=_accuracy(figures.get("seen=novel", {})),
        checks=checks,
        compared=compared,
        set_aside=set_aside(predictions) if has_baseline else "",
    )


def read_results(
    evaluation: Path, settings: config_pb2.EvalConfig, classes: Sequence[str]
) -> tuple[BySlice, Any]:
    """Reads what TFMA wrote.

    Args:
        evaluation: Where it wrote.
        settings: What it was told.
        classes: Class names.

    Returns:
        The candidate's figures, and TFMA's ValidationResult.
    """
    found: BySlice = {}
    model = CANDIDATE if len(settings.model_specs) > 1 else None
    result = tfma.load_eval_result(str(evaluation), model_name=model)
    for slice_key, by_output in result.slicing_metrics:
        of_slice = found.setdefault(slice_words(dict(slice_key)), {})
        for sub_key, metrics in by_output[""].items():
            for name, value in metrics.items():
                number = next(iter(value.values()), None) if isinstance(value, dict) else None
                if isinstance(number, float | int):
                    of_slice[_name(name, sub_key, classes)] = float(number)
    return found, tfma.load_validation_result(str(evaluation))


def _name(metric: str, sub_key: str, classes: Sequence[str]) -> str:
    """The metric's own name; what TFMA computes for a class's index gets the class's name."""
    if not sub_key:
        return metric
    return metric_name(metric, classes[int(sub_key.removeprefix(_CLASS_ID))])


def _missed(validation: Any) -> _Missed:
    """Every threshold that is missed."""
    found = set()
    for one in validation.metric_validations_per_slice:
        parts = one.slice_key.single_slice_keys
        words = slice_words({part.column: part.bytes_value.decode() for part in parts})
        for failure in one.failures:
            found.add((failure.metric_key.name, words, _key(failure.metric_threshold)))
    return found


def _check(demanded: Demand, figures: BySlice, missed: _Missed) -> Check:
    images = slice_words(demanded.images)
    value = figures.get(images, {}).get(demanded.value)
    return Check(
        figure=demanded.figure,
        said=demanded.said,
        slice=demanded.slice,
        demanded=demanded.allowed,
        value=None if value is None else finite(demanded.sign * value),
        met=(demanded.metric, images, _key(demanded.bound)) not in missed and value is not None,
    )


def _key(threshold: config_pb2.MetricThreshold) -> bytes:
    return bytes(threshold.SerializeToString(deterministic=True))


def _accuracy(figures: dict[str, float]) -> SliceAccuracy | None:
    if "accuracy" not in figures:
        return None
    return SliceAccuracy(
        accuracy=figures["accuracy"], examples=int(figures.get("example_count", 0))
    )
