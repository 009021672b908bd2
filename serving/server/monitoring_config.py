"""TensorFlow Serving's monitoring configuration: whether and where Prometheus reads metrics."""

from pathlib import Path

from serving.server.text_proto import new_message, read_text_proto

_DEFAULT_PATH = "/monitoring/prometheus/metrics"


def read_monitoring_config(path: Path) -> str | None:
    """Reads a monitoring configuration file.

    Returns:
        The path on the REST port where metrics are read; None: nowhere.

    Raises:
        PipelineError: The file cannot be read.
    """
    message = new_message("MonitoringConfig")
    read_text_proto(path, message)
    prometheus = message.prometheus_config
    return (prometheus.path or _DEFAULT_PATH) if prometheus.enable else None
