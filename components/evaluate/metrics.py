"""Metrics that TFMA does not have: what follows from the confusion matrix of the likeliest class.

TFMA's own precision, recall and specificity of a class count it as predicted where its probability
is above one half, which in a softmax of several classes is not the same.
"""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.evaluate.confusion import Counts, figure_of

_Key = metric_types.MetricKey


class ConfusionFigure(metric_types.Metric):
    """A number that is computed from a confusion matrix."""

    def __init__(
        self,
        figure: str,
        classes: int,
        of: int | None = None,
        healthy: int | None = None,
        name: str | None = None,
    ) -> None:
        """Describes the metric; TFMA calls this with the JSON of a MetricConfig.

        Args:
            figure: A name that `figure_of` knows.
            classes: How many classes there are.
            of: Index of the class, for a figure of one class.
            healthy: Index of the class without a tumour, for figures about tumours.
            name: The metric's name in TFMA's results.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_confusion_figure),
            figure=figure,
            classes=classes,
            of=of,
            healthy=healthy,
            name=name or figure,
        )


class BrierScore(metric_types.Metric):
    """Mean squared distance of probabilities from the truth, summed over classes: 0 to 2."""

    def __init__(self, classes: int, name: str = "brier") -> None:
        """Describes the metric.

        Args:
            classes: How many classes there are.
            name: The metric's name in TFMA's results.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_brier_score), classes=classes, name=name
        )


metric_types.register_metric(ConfusionFigure)
metric_types.register_metric(BrierScore)


def _confusion_figure(
    figure: str,
    classes: int,
    of: int | None,
    healthy: int | None,
    name: str,
    eval_config: Any = None,
    model_name: str = "",
    output_name: str = "",
) -> list[Any]:
    matrix_key = _Key(name="_confusion", model_name=model_name, output_name=output_name)
    key = _Key(name=name, model_name=model_name, output_name=output_name)

    def result(metrics: dict[Any, Any]) -> dict[Any, float]:
        return {key: float(figure_of(figure, metrics[matrix_key], of=of, healthy=healthy))}

    return [
        metric_types.MetricComputation(
            keys=[matrix_key],
            preprocessors=None,
            combiner=_Sum(matrix_key, classes, eval_config, _confusion),
        ),
        metric_types.DerivedMetricComputation(keys=[key], result=result),
    ]


def _brier_score(
    classes: int,
    name: str,
    eval_config: Any = None,
    model_name: str = "",
    output_name: str = "",
) -> list[Any]:
    sums = _Key(name="_brier", model_name=model_name, output_name=output_name)
    key = _Key(name=name, model_name=model_name, output_name=output_name)

    def result(metrics: dict[Any, Any]) -> dict[Any, float]:
        total, images = metrics[sums]
        return {key: float(total / images)}

    return [
        metric_types.MetricComputation(
            keys=[sums], preprocessors=None, combiner=_Sum(sums, classes, eval_config, _squares)
        ),
        metric_types.DerivedMetricComputation(keys=[key], result=result),
    ]


def _confusion(label: int, probabilities: Counts, classes: int) -> Counts:
    matrix = np.zeros((classes, classes))
    matrix[label, int(np.argmax(probabilities))] = 1
    return matrix


def _squares(label: int, probabilities: Counts, classes: int) -> Counts:
    return np.array([np.square(probabilities - np.eye(classes)[label]).sum(), 1.0])


class _Sum(beam.CombineFn):
    """Adds up what each image contributes."""

    def __init__(self, key: Any, classes: int, eval_config: Any, contribution: Any) -> None:
        self._key, self._classes = key, classes
        self._eval_config, self._contribution = eval_config, contribution

    def create_accumulator(self) -> Any:
        return 0.0

    def add_input(self, accumulator: Any, element: Any) -> Any:
        label, probabilities, _ = next(
            metric_util.to_label_prediction_example_weight(
                element,
                eval_config=self._eval_config,
                model_name=self._key.model_name,
                output_name=self._key.output_name,
                flatten=False,
            )
        )
        values: npt.NDArray[np.float64] = np.asarray(probabilities, np.float64).reshape(-1)
        label_index = int(np.asarray(label).reshape(-1)[0])
        return accumulator + self._contribution(label_index, values, self._classes)

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        return sum(accumulators, 0.0)

    def extract_output(self, accumulator: Any) -> dict[Any, Any]:
        return {self._key: accumulator}
