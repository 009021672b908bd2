"""The TFMA configuration: which metrics, on which slices, and which values bless a model."""

from typing import Any

import tensorflow_model_analysis as tfma

from components.evaluate.config import EvaluateConfig
from components.transform.preprocessing import CLASS, LABEL

ACCURACY = "sparse_categorical_accuracy"
SIGNATURE = "evaluate"


def eval_config(config: EvaluateConfig, *, has_baseline: bool) -> tfma.EvalConfig:
    """Builds TFMA's configuration.

    Args:
        config: The thresholds.
        has_baseline: Whether an earlier blessed model may be there to compare with.

    Returns:
        Accuracy and loss overall and by true class, through the exported graph.
    """
    change = tfma.GenericChangeThreshold(
        absolute={"value": -config.max_accuracy_drop - 1e-9},
        direction=tfma.MetricDirection.HIGHER_IS_BETTER,
    )
    threshold = tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(lower_bound={"value": config.min_accuracy}),
        change_threshold=change if has_baseline else None,
    )
    model: dict[str, Any] = {
        "label_key": CLASS,
        "signature_name": SIGNATURE,
        "prediction_key": "probabilities",
    }
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(**model)],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[LABEL])],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(class_name="ExampleCount"),
                    tfma.MetricConfig(class_name="SparseCategoricalCrossentropy"),
                    tfma.MetricConfig(class_name="SparseCategoricalAccuracy", threshold=threshold),
                ]
            )
        ],
    )
