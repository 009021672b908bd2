"""Our figures as TFMA computes them.

TFMA's own precision, recall and specificity of a class count it as predicted where its probability
is above one half, which in a softmax of several classes is not the same.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.evaluate.metrics import Answers, Tally, metrics

_Key = metric_types.MetricKey


class TallyMetric(metric_types.Metric):
    """A figure that follows from a tally of the images."""

    def __init__(
        self,
        metric: str,
        classes: Sequence[str],
        of: str | None = None,
        healthy: str | None = None,
        name: str | None = None,
    ) -> None:
        """Describes the metric; TFMA calls this with the JSON of a MetricConfig.

        Args:
            metric: A name in `metrics`.
            classes: Class names in the order of the probabilities.
            of: The class, for a figure of one class.
            healthy: The class without a tumour, for figures about tumours.
            name: The metric's name in TFMA's results.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_computations),
            metric=metric,
            classes=classes,
            of=of,
            healthy=healthy,
            name=name or metric,
        )


metric_types.register_metric(TallyMetric)


def _computations(
    metric: str,
    classes: Sequence[str],
    of: str | None,
    healthy: str | None,
    name: str,
    eval_config: Any = None,
    model_name: str = "",
    output_name: str = "",
) -> list[Any]:
    tally = _Key(name="_tally", model_name=model_name, output_name=output_name)
    key = _Key(name=name, model_name=model_name, output_name=output_name)
    figure = metrics(classes, healthy)[metric, of]

    def result(found: dict[Any, Any]) -> dict[Any, float]:
        return {key: float(figure(found[tally])[0])}

    return [
        metric_types.MetricComputation(
            keys=[tally], preprocessors=None, combiner=_Sum(tally, len(classes), eval_config)
        ),
        metric_types.DerivedMetricComputation(keys=[key], result=result),
    ]


class _Sum(beam.CombineFn):
    """Adds the images up, one by one."""

    def __init__(self, key: Any, classes: int, eval_config: Any) -> None:
        self._key, self._classes, self._eval_config = key, classes, eval_config

    def create_accumulator(self) -> Tally:
        return Tally(np.zeros((1, self._classes, self._classes)), np.zeros(1))

    def add_input(self, accumulator: Tally, element: Any) -> Tally:
        label, probabilities, _ = next(
            metric_util.to_label_prediction_example_weight(
                element,
                eval_config=self._eval_config,
                model_name=self._key.model_name,
                output_name=self._key.output_name,
                flatten=False,
            )
        )
        labels = np.asarray(label, np.int64).reshape(-1)
        return (
            accumulator
            + Answers(
                labels, np.asarray(probabilities, np.float64).reshape(len(labels), -1)
            ).tally()
        )

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        return sum(accumulators, self.create_accumulator())

    def extract_output(self, accumulator: Tally) -> dict[Any, Any]:
        return {self._key: accumulator}
