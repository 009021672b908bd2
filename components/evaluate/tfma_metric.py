"""Our figures as TFMA computes them.

TFMA's own precision, recall and specificity of a class count it as predicted where its probability
is above one half, which in a softmax of several classes is not the same.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.evaluate.metrics import Answers, Tally, metric_name, metrics

_Key = metric_types.MetricKey


class TallyMetrics(metric_types.Metric):
    """All figures that follow from a tally of the images, each under its name in words."""

    def __init__(
        self, classes: Sequence[str], healthy: str | None = None, name: str = "tally"
    ) -> None:
        """Describes the figures; TFMA calls this with the JSON of a MetricConfig.

        Args:
            classes: Class names in the order of the probabilities.
            healthy: The class without a tumour, for figures about tumours.
            name: What TFMA calls them together.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_computations),
            classes=classes,
            healthy=healthy,
            name=name,
        )


metric_types.register_metric(TallyMetrics)


def _computations(
    classes: Sequence[str],
    healthy: str | None,
    name: str,
    eval_config: Any = None,
    model_name: str = "",
    output_name: str = "",
) -> list[Any]:
    def key(words: str) -> Any:
        # Thresholds that stand beside metrics are looked up without a word on weights.
        return _Key(
            name=words, model_name=model_name, output_name=output_name, example_weighted=None
        )

    tally, figures = key(f"_{name}"), metrics(classes, healthy)

    def result(found: dict[Any, Any]) -> dict[Any, float]:
        return {
            key(metric_name(*one)): float(metric.of(found[tally])[0])
            for one, metric in figures.items()
        }

    return [
        metric_types.MetricComputation(
            keys=[tally], preprocessors=None, combiner=_Sum(tally, len(classes), eval_config)
        ),
        metric_types.DerivedMetricComputation(
            keys=[key(metric_name(*one)) for one in figures], result=result
        ),
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
        rows = np.asarray(probabilities, np.float64).reshape(len(labels), -1)
        return accumulator + Answers(labels, rows).tally()

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        return sum(accumulators, self.create_accumulator())

    def extract_output(self, accumulator: Tally) -> dict[Any, Any]:
        return {self._key: accumulator}
