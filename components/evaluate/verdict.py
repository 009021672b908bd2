"""Reads what TFMA wrote: the figures on the test split and, in words, why a model is refused."""

from dataclasses import dataclass

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2

from components.evaluate.thresholds import ACCURACY
from components.transform.preprocessing import LABEL, SEEN

_TITLES = {ACCURACY: "accuracy"}


@dataclass(frozen=True)
class SliceAccuracy:
    """How good the model is on a part of the test split.

    Attributes:
        accuracy: 0 to 1.
        examples: Images in it.
    """

    accuracy: float
    examples: int


@dataclass(frozen=True)
class Verdict:
    """The outcome of an evaluation.

    Attributes:
        accuracy: On the whole test split, 0 to 1; None where TFMA could not compute it.
        examples: Test images.
        accuracy_by_class: Share of each true class that is recognised (its recall).
        seen: Accuracy on test images with a match in the original training folder, or None.
        novel: On the others, or None.
        blessed: Whether every threshold is met.
        reasons: A sentence for each threshold that is missed.
    """

    accuracy: float | None
    examples: int
    accuracy_by_class: dict[str, float]
    seen: SliceAccuracy | None
    novel: SliceAccuracy | None
    blessed: bool
    reasons: tuple[str, ...]


def read_verdict(evaluation: str) -> Verdict:
    """Reads an Evaluator's output.

    Args:
        evaluation: The ModelEvaluation artifact's folder.

    Returns:
        Figures and blessing.
    """
    overall: dict[str, float] = {}
    slices: dict[str, dict[str, SliceAccuracy]] = {LABEL: {}, SEEN: {}}
    for slice_key, metrics in tfma.load_eval_result(evaluation).slicing_metrics:
        values = {
            name: next(iter(value.values()))
            for name, value in metrics[""][""].items()
            if isinstance(value, dict) and value
        }
        if slice_key:
            [(feature, value)] = slice_key
            slices[feature][str(value)] = SliceAccuracy(
                float(values.get(ACCURACY, float("nan"))), int(values.get("example_count", 0))
            )
        else:
            overall = values
    validation = tfma.load_validation_result(evaluation)
    return Verdict(
        accuracy=overall.get(ACCURACY),
        examples=int(overall.get("example_count", 0)),
        accuracy_by_class={label: one.accuracy for label, one in sorted(slices[LABEL].items())},
        seen=slices[SEEN].get("1"),
        novel=slices[SEEN].get("0"),
        blessed=validation.validation_ok,
        reasons=tuple(_reasons(validation)),
    )


def _reasons(validation: validation_result_pb2.ValidationResult) -> list[str]:
    reasons = []
    for slice_validation in validation.metric_validations_per_slice:
        for failure in slice_validation.failures:
            title = _TITLES.get(failure.metric_key.name, failure.metric_key.name)
            value = failure.metric_value.double_value.value
            threshold = failure.metric_threshold
            if failure.metric_key.is_diff:
                allowed = -threshold.change_threshold.absolute.value
                reasons.append(
                    f"{title} lies {-value:.3f} below the last blessed model's; "
                    f"at most {allowed:.3f} is allowed"
                )
            else:
                least = threshold.value_threshold.lower_bound.value
                reasons.append(f"{title} is {value:.3f}; at least {least:.3f} is demanded")
    if validation.missing_slices:
        reasons.append(f"{len(validation.missing_slices)} slices with a threshold had no image")
    return reasons
