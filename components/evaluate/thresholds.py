"""The TFMA configuration: which metrics, on which slices, and which values bless a model."""

import json
from collections.abc import Mapping, Sequence

from tensorflow_model_analysis.proto import config_pb2

from components.evaluate.config import LOWER_IS_BETTER, EvaluateConfig, Threshold
from components.evaluate.metrics import metrics
from components.evaluate.predictions.slices import FEATURES
from components.evaluate.tfma_metric import TallyMetric

CANDIDATE, BASELINE = "candidate", "baseline"
LABEL_KEY, PREDICTION_KEY = "label", "probabilities"
COMPARED, YES, NO = "compared", "yes", "no"
"""A column of the images: whether the two models may be compared on them."""
_ROUNDING = 1e-9

Slice = Mapping[str, str]
"""Values by feature; empty for all images."""


def metric_name(metric: str, of: str | None = None) -> str:
    """The name of a metric in TFMA's results, as it also reads in a sentence.

    Args:
        metric: The figure.
        of: Name of the class, for a figure of one class.

    Returns:
        Such as `recall of glioma`.
    """
    words = metric.replace("_", " ")
    return f"{words} of {of}" if of is not None else words


def eval_config(
    config: EvaluateConfig, classes: Sequence[str], *, has_baseline: bool
) -> config_pb2.EvalConfig:
    """Builds TFMA's configuration.

    Args:
        config: The thresholds.
        classes: Class names in the order of the probabilities.
        has_baseline: Whether there are predictions of a baseline.

    Returns:
        All figures, overall and by slice, for columns that `evaluate` makes of the predictions.
    """
    # TFMA names the only model of an evaluation ''.
    specs = [
        config_pb2.ModelSpec(
            name=CANDIDATE if has_baseline else "",
            label_key=LABEL_KEY,
            prediction_key=PREDICTION_KEY,
        )
    ]
    if has_baseline:
        specs.append(
            config_pb2.ModelSpec(
                name=BASELINE, label_key=LABEL_KEY, prediction_key=BASELINE, is_baseline=True
            )
        )
    ours = [
        _metric(metric, of, classes, config, has_baseline=has_baseline)
        for metric, of in metrics(classes, config.healthy_class)
    ]
    others = [
        config_pb2.MetricConfig(class_name="ExampleCount"),
        config_pb2.MetricConfig(class_name="SparseCategoricalCrossentropy"),
        config_pb2.MetricConfig(
            class_name="MultiClassConfusionMatrixAtThresholds", config='{"thresholds": [0.0]}'
        ),
    ]
    one_against_rest = config_pb2.MetricsSpec(
        metrics=[
            config_pb2.MetricConfig(class_name="AUC"),
            config_pb2.MetricConfig(class_name="AUCPrecisionRecall"),
            config_pb2.MetricConfig(class_name="Calibration"),
        ],
        binarize=config_pb2.BinarizationOptions(class_ids={"values": range(len(classes))}),
    )
    return config_pb2.EvalConfig(
        model_specs=specs,
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[name]) for name in FEATURES),
            *(_compared_slices(config.all_thresholds()) if has_baseline else ()),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(metrics=[*ours, *others]),
            one_against_rest,
        ],
    )


def bounds(threshold: Threshold) -> config_pb2.MetricThreshold | None:
    """What a threshold demands of the figure itself, as TFMA wants it; None where that is nothing.

    Args:
        threshold: The threshold.
    """
    made = config_pb2.MetricThreshold()
    if threshold.min is not None:
        made.value_threshold.lower_bound.value = threshold.min
    if threshold.max is not None:
        made.value_threshold.upper_bound.value = threshold.max
    return made if made.HasField("value_threshold") else None


def change(threshold: Threshold) -> config_pb2.MetricThreshold | None:
    """What it demands of the change against the baseline; None where that is nothing.

    Args:
        threshold: The threshold.
    """
    made = config_pb2.MetricThreshold()
    if threshold.max_drop is not None:
        lower = threshold.metric in LOWER_IS_BETTER
        allowed = threshold.max_drop + _ROUNDING
        made.change_threshold.absolute.value = allowed if lower else -allowed
        made.change_threshold.direction = (
            config_pb2.MetricDirection.LOWER_IS_BETTER
            if lower
            else config_pb2.MetricDirection.HIGHER_IS_BETTER
        )
    return made if made.HasField("change_threshold") else None


def slice_of(threshold: Threshold) -> Slice:
    """The images that a threshold holds for: values by feature.

    Args:
        threshold: The threshold.
    """
    feature, _, value = threshold.slice.partition("=")
    return {feature: value} if threshold.slice else {}


def compared(images: Slice) -> Slice:
    """Those of a slice that two models may be compared on."""
    return {**images, COMPARED: YES}


def slice_words(images: Slice) -> str:
    """A slice in words, whatever order its features come in; empty for all images."""
    return " ".join(f"{feature}={value}" for feature, value in sorted(images.items()))


def _metric(
    metric: str,
    of: str | None,
    classes: Sequence[str],
    config: EvaluateConfig,
    *,
    has_baseline: bool,
) -> config_pb2.MetricConfig:
    """A metric with all thresholds on it; one that names no class holds for each."""
    described = {
        "name": metric_name(metric, of),
        "metric": metric,
        "of": of,
        "classes": list(classes),
        "healthy": config.healthy_class,
    }
    return config_pb2.MetricConfig(
        class_name=TallyMetric.__name__,
        module=TallyMetric.__module__,
        config=json.dumps(described),
        # A plain threshold would hold for every slice too.
        per_slice_thresholds=[
            config_pb2.PerSliceMetricThreshold(
                slicing_specs=[config_pb2.SlicingSpec(feature_values=images)], threshold=demanded
            )
            for threshold in config.all_thresholds()
            if threshold.metric == metric and threshold.of in (None, of)
            for images, demanded in (
                (slice_of(threshold), bounds(threshold)),
                (compared(slice_of(threshold)), change(threshold)),
            )
            if demanded is not None and (has_baseline or COMPARED not in images)
        ],
    )


def _compared_slices(thresholds: Sequence[Threshold]) -> list[config_pb2.SlicingSpec]:
    """Besides those of all images, the slices that changes are computed on."""
    wanted: list[Slice] = [{}, *(slice_of(one) for one in thresholds if one.max_drop is not None)]
    different = {slice_words(images): compared(images) for images in wanted}
    return [config_pb2.SlicingSpec(feature_values=images) for images in different.values()]
