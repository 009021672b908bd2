"""The TFMA configuration: which metrics, on which slices, and which values bless a model."""

from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from components.evaluate.config import EvaluateConfig
from components.transform.preprocessing import CLASS, LABEL, SEEN

ACCURACY = "sparse_categorical_accuracy"
SIGNATURE = "evaluate"


def eval_config(config: EvaluateConfig) -> config_pb2.EvalConfig:
    """Builds TFMA's configuration.

    Args:
        config: The thresholds.

    Returns:
        Accuracy and loss through the exported graph: overall, by true class, and for test images
        that were or were not seen in the original training folder.
    """
    change = config_pb2.GenericChangeThreshold(
        absolute={"value": -config.max_accuracy_drop - 1e-9},
        direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
    )
    threshold = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(
            lower_bound={"value": config.min_accuracy}
        ),
        change_threshold=change,
    )
    model: dict[str, Any] = {
        "label_key": CLASS,
        "signature_name": SIGNATURE,
        "prediction_key": "probabilities",
    }
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(**model)],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            config_pb2.SlicingSpec(feature_keys=[LABEL]),
            config_pb2.SlicingSpec(feature_keys=[SEEN]),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    config_pb2.MetricConfig(class_name="SparseCategoricalCrossentropy"),
                    config_pb2.MetricConfig(
                        class_name="SparseCategoricalAccuracy",
                        # A plain threshold would hold for every slice too.
                        per_slice_thresholds=[
                            config_pb2.PerSliceMetricThreshold(
                                slicing_specs=[config_pb2.SlicingSpec()], threshold=threshold
                            )
                        ],
                    ),
                ]
            )
        ],
    )
