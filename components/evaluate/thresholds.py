"""What TFMA is told: which figures to compute, on which slices, and which values bless a model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorflow_model_analysis.proto import config_pb2

from components.evaluate.config import LOWER_IS_BETTER, ONE_CLASS, EvaluateConfig, Threshold
from components.evaluate.metrics import metric_name, metrics
from components.evaluate.predictions.slices import FEATURES
from components.evaluate.tfma_metric import TallyMetrics

CANDIDATE, BASELINE = "candidate", "baseline"
LABEL_KEY, PREDICTION_KEY = "label", "probabilities"
COMPARED, YES, NO = "compared", "yes", "no"
"""A column of the images: whether the two models may be compared on them."""
_ROUNDING = 1e-9
_AUC = '{"num_thresholds": 1000}'
"""TFMA's own 10,000 take most of an evaluation's time; the report's area is exact."""

Slice = Mapping[str, str]
"""Values by feature; empty for all images."""


@dataclass(frozen=True)
class Demand:
    """What a threshold asks of one figure, in TFMA's terms and in words.

    Attributes:
        metric: The figure's name in TFMA's results.
        images: Those that it is computed on.
        bound: What is allowed.
        value: The name of the value that the bound is on: the metric's, or of its difference.
        figure: The value in words.
        slice: The threshold's.
        allowed: The bound in words.
        said: How a reason states the value; see `Check`.
        sign: -1 where words and value count in opposite directions.
    """

    metric: str
    images: Slice
    bound: config_pb2.MetricThreshold
    value: str
    figure: str
    slice: str
    allowed: str
    said: str = ""
    sign: int = 1


def demands(
    config: EvaluateConfig, classes: Sequence[str], *, has_baseline: bool
) -> tuple[Demand, ...]:
    """All that is asked of a model, in the order of the thresholds.

    Args:
        config: The thresholds; one that names no class holds for each.
        classes: Class names.
        has_baseline: Whether there are predictions of a baseline.
    """
    found = []
    for threshold in config.all_thresholds():
        of_all = threshold.of is None and threshold.metric in ONE_CLASS
        for of in classes if of_all else [threshold.of]:
            name = metric_name(threshold.metric, of)
            if threshold.min is not None or threshold.max is not None:
                found.append(_bound(threshold, name))
            if threshold.max_drop is not None and has_baseline:
                found.append(_drop(threshold, name, threshold.max_drop))
    return tuple(found)


def _bound(threshold: Threshold, name: str) -> Demand:
    """On the figure itself."""
    bound, words = config_pb2.MetricThreshold(), []
    if threshold.min is not None:
        bound.value_threshold.lower_bound.value = threshold.min
        words.append(f"at least {threshold.min:.3f}")
    if threshold.max is not None:
        bound.value_threshold.upper_bound.value = threshold.max
        words.append(f"at most {threshold.max:.3f}")
    images = _slice_of(threshold)
    return Demand(name, images, bound, name, name, threshold.slice, " and ".join(words))


def _drop(threshold: Threshold, name: str, allowed: float) -> Demand:
    """On its change against the baseline."""
    lower = threshold.metric in LOWER_IS_BETTER
    noun, verb, sign = ("rise", "rose", 1) if lower else ("fall", "fell", -1)
    change = config_pb2.GenericChangeThreshold(
        absolute={"value": sign * (allowed + _ROUNDING)},
        direction="LOWER_IS_BETTER" if lower else "HIGHER_IS_BETTER",
    )
    return Demand(
        metric=name,
        images={**_slice_of(threshold), COMPARED: YES},
        bound=config_pb2.MetricThreshold(change_threshold=change),
        value=f"{name}_diff",
        figure=f"{noun} in {name} against the last blessed model",
        slice=threshold.slice,
        allowed=f"at most {allowed:.3f}",
        said=f"{name} {verb} by {{}} against the last blessed model",
        sign=sign,
    )


def eval_config(
    config: EvaluateConfig,
    classes: Sequence[str],
    demanded: Sequence[Demand],
    *,
    has_baseline: bool,
) -> config_pb2.EvalConfig:
    """Builds TFMA's configuration.

    Args:
        config: The class without a tumour.
        classes: Class names in the order of the probabilities.
        demanded: What is asked of the model.
        has_baseline: Whether there are predictions of a baseline.

    Returns:
        All figures, overall and by slice, for columns that `evaluate` makes of the predictions.
    """
    # TFMA names the only model of an evaluation ''.
    models = {CANDIDATE if has_baseline else "": PREDICTION_KEY}
    if has_baseline:
        models[BASELINE] = BASELINE
    slices: list[Slice] = [{COMPARED: YES}] if has_baseline else []
    slices += [one.images for one in demanded if COMPARED in one.images]
    different = {slice_words(images): images for images in slices}
    known = {metric_name(*key) for key in metrics(classes, config.healthy_class)}
    tally = {"classes": list(classes), "healthy": config.healthy_class}
    settings = config_pb2.EvalConfig(
        model_specs=[
            {
                "name": name,
                "label_key": LABEL_KEY,
                "prediction_key": column,
                "is_baseline": column == BASELINE,
            }
            for name, column in models.items()
        ],
        slicing_specs=[
            {},
            *({"feature_keys": [name]} for name in FEATURES),
            *({"feature_values": images} for images in different.values()),
        ],
        metrics_specs=[
            {
                "metrics": [
                    {
                        "class_name": TallyMetrics.__name__,
                        "module": TallyMetrics.__module__,
                        "config": json.dumps(tally),
                    },
                    {"class_name": "ExampleCount"},
                    {"class_name": "SparseCategoricalCrossentropy"},
                    {
                        "class_name": "MultiClassConfusionMatrixAtThresholds",
                        "config": '{"thresholds": [0.0]}',
                    },
                ]
            },
            {
                "metrics": [
                    {"class_name": "AUC", "config": _AUC},
                    {"class_name": "AUCPrecisionRecall", "config": _AUC},
                    {"class_name": "Calibration"},
                ],
                "binarize": {"class_ids": {"values": range(len(classes))}},
            },
        ],
    )
    # A plain threshold would hold for every slice too.
    bounds = settings.metrics_specs[0].per_slice_thresholds
    for one in demanded:
        if one.metric in known:
            bounds[one.metric].thresholds.add(
                slicing_specs=[{"feature_values": one.images}], threshold=one.bound
            )
    return settings


def slice_words(images: Slice) -> str:
    """A slice in words, whatever order its features come in; empty for all images."""
    return " ".join(f"{feature}={value}" for feature, value in sorted(images.items()))


def _slice_of(threshold: Threshold) -> Slice:
    feature, _, value = threshold.slice.partition("=")
    return {feature: value} if threshold.slice else {}
