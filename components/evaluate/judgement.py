"""Reads what TFMA wrote: every figure, and which thresholds it found missed."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.evaluate.config import (
    LOWER_IS_BETTER,
    ONE_CLASS,
    OVERALL,
    EvaluateConfig,
    Threshold,
)
from components.evaluate.thresholds import (
    CANDIDATE,
    bounds,
    change,
    compared,
    metric_name,
    slice_of,
    slice_words,
)
from components.evaluate.verdict import Check, ModelVerdict, SliceAccuracy

_CLASS_ID = "classId:"
_BY_SLICE = dict[str, dict[str, float]]
_MISSED = set[tuple[str, str, bytes]]
"""Metric, slice in words, and bounds as TFMA has them, of thresholds."""


def judge(
    evaluation: Path, config: EvaluateConfig, classes: Sequence[str], *, has_baseline: bool
) -> ModelVerdict:
    """Turns TFMA's results into a verdict.

    Args:
        evaluation: Where TFMA wrote.
        config: The thresholds.
        classes: Class names.
        has_baseline: Whether TFMA compared with a baseline.

    Returns:
        The verdict; whether a threshold is met is TFMA's word.
    """
    figures = _figures(evaluation, CANDIDATE if has_baseline else None, classes)
    overall = figures.get(OVERALL, {})
    validation = tfma.load_validation_result(str(evaluation))
    missed = _missed(validation)
    checks = [
        check
        for threshold in config.all_thresholds()
        for name in _classes_of(threshold, classes)
        for check in _checks(threshold, name, figures, missed, has_baseline=has_baseline)
    ]
    reasons = [check.reason for check in checks if not check.met]
    if not validation.validation_ok and not reasons:
        reasons.append("TFMA refuses the model: a threshold is on something that is not there")
    return ModelVerdict(
        blessed=bool(validation.validation_ok) and not reasons,
        reasons=tuple(reasons),
        examples=int(overall.get("example_count", 0)),
        figures={name: _number(value) for name, value in sorted(overall.items())},
        accuracy_by_class={
            name: recall
            for name in classes
            if math.isfinite(recall := overall.get(metric_name("recall", name), math.nan))
        },
        seen=_accuracy(figures.get("seen=seen")),
        novel=_accuracy(figures.get("seen=novel")),
        checks=tuple(checks),
    )


def _classes_of(threshold: Threshold, classes: Sequence[str]) -> Sequence[str | None]:
    if threshold.metric not in ONE_CLASS:
        return [None]
    return [threshold.of] if threshold.of is not None else list(classes)


def _checks(
    threshold: Threshold,
    of: str | None,
    figures: _BY_SLICE,
    missed: _MISSED,
    *,
    has_baseline: bool,
) -> list[Check]:
    name = metric_name(threshold.metric, of)
    made = []
    if (demanded := bounds(threshold)) is not None:
        found = figures.get(threshold.slice, {})
        words = (
            f"{words} {bound:.3f}"
            for words, bound in (("at least", threshold.min), ("at most", threshold.max))
            if bound is not None
        )
        made.append(
            Check(
                figure=name,
                slice=threshold.slice,
                demanded=" and ".join(words),
                value=_number(found.get(name)),
                met=(name, threshold.slice, _key(demanded)) not in missed and name in found,
            )
        )
    if has_baseline and threshold.max_drop is not None and (drop := change(threshold)) is not None:
        images = slice_words(compared(slice_of(threshold)))
        sign = 1 if threshold.metric in LOWER_IS_BETTER else -1
        difference = figures.get(images, {}).get(f"{name}_diff")
        made.append(
            Check(
                figure=f"how far {name} lies "
                f"{'above' if sign > 0 else 'below'} the last blessed model's",
                slice=threshold.slice,
                demanded=f"at most {threshold.max_drop:.3f}",
                value=None if difference is None else _number(sign * difference),
                met=(name, images, _key(drop)) not in missed and difference is not None,
            )
        )
    return made


def _figures(evaluation: Path, model: str | None, classes: Sequence[str]) -> _BY_SLICE:
    """Values by slice (`FEATURE=VALUE`, or empty) and metric."""
    found: _BY_SLICE = {}
    result = tfma.load_eval_result(str(evaluation), model_name=model)
    for slice_key, by_output in result.slicing_metrics:
        words = slice_words(dict(slice_key))
        for sub_key, metrics in by_output[""].items():
            for name, value in metrics.items():
                number = next(iter(value.values()), None) if isinstance(value, dict) else None
                if isinstance(number, float | int):
                    found.setdefault(words, {})[_name(name, sub_key, classes)] = float(number)
    return found


def _name(metric: str, sub_key: str, classes: Sequence[str]) -> str:
    """The metric's own name; what TFMA computes for a class's index gets the class's name."""
    if not sub_key:
        return metric
    return metric_name(metric, classes[int(sub_key.removeprefix(_CLASS_ID))])


def _missed(validation: Any) -> _MISSED:
    """Every threshold that is missed."""
    found = set()
    for one in validation.metric_validations_per_slice:
        parts = one.slice_key.single_slice_keys
        words = slice_words({part.column: part.bytes_value.decode() for part in parts})
        for failure in one.failures:
            found.add((failure.metric_key.name, words, _key(failure.metric_threshold)))
    return found


def _key(threshold: config_pb2.MetricThreshold) -> bytes:
    return bytes(threshold.SerializeToString(deterministic=True))


def _accuracy(figures: dict[str, float] | None) -> SliceAccuracy | None:
    if not figures or "accuracy" not in figures:
        return None
    return SliceAccuracy(
        accuracy=figures["accuracy"], examples=int(figures.get("example_count", 0))
    )


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
