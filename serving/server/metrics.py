"""Metrics as TensorFlow Serving exposes them: the same names, labels, buckets and text.

The form is that of `prometheus_exporter.cc` in tensorflow/serving. prometheus_client cannot write
it: it would rename the counter and demands other type lines.
"""

import threading
from bisect import bisect_left

_BUCKETS = tuple(10 * 1.8**power for power in range(32))
"""Upper limits in microseconds; the last bucket has none."""
_MOST_SERIES = 1000
"""Label combinations kept per metric: names of unknown models come from clients."""
_PREFIX = ":tensorflow:serving:"

_Labels = tuple[tuple[str, str], ...]


class _Histogram:
    """Counts of values by bucket."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(_BUCKETS, value)] += 1
        self.total += value


class ServerMetrics:
    """Counts requests and measures how long they take; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[_Labels, int] = {}
        self._histograms: dict[str, dict[_Labels, _Histogram]] = {}

    def request(self, model: str, code: str) -> None:
        """Counts a request by its status code's name."""
        with self._lock:
            labels = (("model_name", model), ("status", code))
            if labels in self._requests or len(self._requests) < _MOST_SERIES:
                self._requests[labels] = self._requests.get(labels, 0) + 1

    def request_latency(self, model: str, api: str, entrypoint: str, seconds: float) -> None:
        """Notes how long a request took that succeeded."""
        labels = (("model_name", model), ("API", api), ("entrypoint", entrypoint))
        self._observe("request_latency", labels, seconds)

    def runtime_latency(self, model: str, api: str, seconds: float) -> None:
        """Notes how long TensorFlow ran."""
        self._observe(
            "runtime_latency", (("model_name", model), ("API", api), ("runtime", "TF1")), seconds
        )

    def _observe(self, name: str, labels: _Labels, seconds: float) -> None:
        with self._lock:
            series = self._histograms.setdefault(name, {})
            if labels not in series:
                if len(series) >= _MOST_SERIES:
                    return
                series[labels] = _Histogram()
            series[labels].add(seconds * 1e6)

    def text(self) -> str:
        """The page that Prometheus reads."""
        lines = []
        with self._lock:
            if self._requests:
                lines.append(f"# TYPE {_PREFIX}request_count counter")
            for labels, count in sorted(self._requests.items()):
                lines.append(f"{_PREFIX}request_count{{{_text(labels)}}} {count}")
            for name, histograms in sorted(self._histograms.items()):
                lines.append(f"# TYPE {_PREFIX}{name} histogram")
                for labels, histogram in sorted(histograms.items()):
                    lines += _histogram_lines(f"{_PREFIX}{name}", _text(labels), histogram)
        return "\n".join(lines) + "\n"


def _histogram_lines(name: str, labels: str, histogram: _Histogram) -> list[str]:
    lines = []
    cumulative = 0
    for limit, count in zip([*map("{:g}".format, _BUCKETS), "+Inf"], histogram.counts, strict=True):
        cumulative += count
        lines.append(f'{name}_bucket{{{labels},le="{limit}"}} {cumulative}')
    lines.append(f"{name}_sum{{{labels}}} {histogram.total:g}")
    lines.append(f"{name}_count{{{labels}}} {cumulative}")
    return lines


def _text(labels: _Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
