"""TensorFlow Serving's monitoring configuration: whether and where Prometheus reads metrics."""

from dataclasses import dataclass
from pathlib import Path

from serving.server.text_proto import message_class, read_text_proto

_DEFAULT_PATH = "/monitoring/prometheus/metrics"
_MESSAGES = {
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, "PrometheusConfig")},
}


@dataclass(frozen=True)
class MonitoringConfig:
    """Where metrics are read.

    Attributes:
        enable: Whether they can be read at all.
        path: The path on the REST port.
    """

    enable: bool = False
    path: str = _DEFAULT_PATH


def read_monitoring_config(path: Path) -> MonitoringConfig:
    """Reads a monitoring configuration file.

    Raises:
        PipelineError: The file cannot be read.
    """
    message = message_class("serving_monitoring", _MESSAGES, "MonitoringConfig")()
    read_text_proto(path, message)
    prometheus = message.prometheus_config
    return MonitoringConfig(prometheus.enable, prometheus.path or _DEFAULT_PATH)
