"""Metrics as TensorFlow Serving exposes them: the same names, labels, buckets and text.

The form is that of `prometheus_exporter.cc` in tensorflow/serving. prometheus_client counts, but
would write other type lines, numbers and another name for the counter.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.samples import Sample

_BUCKETS = tuple(10 * 1.8**power for power in range(32))
"""Upper limits in microseconds; the last bucket has none."""
_UNKNOWN = "(unknown)"
"""The label of all models that are not served: clients may invent any number of names."""


class _Histogram(Histogram):
    """Writes the count last, as TensorFlow Serving does."""

    def _child_samples(self) -> Iterable[Sample]:
        return sorted(super()._child_samples(), key=lambda one: one.name == "_count")


class ServerMetrics:
    """Counts requests and measures how long they take; safe to use from any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        histogram = partial(_Histogram, buckets=_BUCKETS)
        self._requests = self._add(Counter, "request_count", "model_name", "status")
        self._latency = self._add(histogram, "request_latency", "model_name", "API", "entrypoint")
        self._runtime = self._add(histogram, "runtime_latency", "model_name", "API", "runtime")

    def _add(self, kind: Callable[..., Any], name: str, *labels: str) -> Callable[..., Any]:
        metric = kind(f":tensorflow:serving:{name}", "", labels, registry=self._registry)
        # prometheus_client takes longer to find what counts than to count.
        return cache(metric.labels)

    def request(self, model: str | None, code: str) -> None:
        """Counts a request by its status code's name; None: for a model that is not served."""
        self._requests(_UNKNOWN if model is None else model, code).inc()

    def request_latency(self, model: str, api: str, entrypoint: str, seconds: float) -> None:
        """Notes how long a request took that succeeded."""
        self._latency(model, api, entrypoint).observe(seconds * 1e6)

    def runtime_latency(self, model: str, api: str, seconds: float) -> None:
        """Notes how long TensorFlow ran."""
        self._runtime(model, api, "TF1").observe(seconds * 1e6)

    def text(self) -> str:
        """The page that Prometheus reads."""
        lines = []
        for family in self._registry.collect():
            samples = [one for one in family.samples if not one.name.endswith("_created")]
            if samples:
                lines += [f"# TYPE {family.name} {family.type}", *map(_line, samples)]
        return "\n".join(lines) + "\n"


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_written(name, value)}"' for name, value in sample.labels.items())
    return f"{sample.name.removesuffix('_total')}{{{labels}}} {sample.value:.15g}"


def _written(name: str, value: str) -> str:
    if name == "le":
        return value if value == "+Inf" else f"{float(value):g}"
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
