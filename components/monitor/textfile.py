"""A report as metrics, for the textfile collector of Prometheus' node exporter."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from components.monitor.report import MonitorReport


def render_metrics(report: MonitorReport) -> str:
    """Writes a report in Prometheus' text format.

    Args:
        report: The report.

    Returns:
        Text in the exposition format, version 0.0.4.
    """
    registry = CollectorRegistry()
    for name, help_, value in _single(report):
        Gauge(f"mri_monitor_{name}", help_, registry=registry).set(value)
    divergence = Gauge(
        "mri_monitor_divergence",
        "Jensen-Shannon divergence from the training images.",
        ["feature"],
        registry=registry,
    )
    allowed = Gauge(
        "mri_monitor_divergence_allowed",
        "Up to which divergence a feature counts as unchanged.",
        ["feature"],
        registry=registry,
    )
    for one in report.distances:
        divergence.labels(one.feature).set(one.value)
        allowed.labels(one.feature).set(one.allowed)
    share = Gauge(
        "mri_monitor_label_share", "Share of the answers by class.", ["label"], registry=registry
    )
    for label, value in report.labels.items():
        share.labels(label).set(value)
    return str(generate_latest(registry).decode())


def _single(report: MonitorReport) -> Iterator[tuple[str, str, float]]:
    yield "drift", "1 where a feature of the images drifted.", report.outcome == "drift"
    yield "images", "Images in the window.", report.images
    yield "last_request_timestamp_seconds", "Time of the last request.", report.last.timestamp()
    yield "confidence_mean", "Mean confidence.", report.confidence
    yield "latency_p95_milliseconds", "What 95 of 100 requests stay below.", report.latency.p95
    if report.out_of_distribution is not None:
        yield (
            "out_of_distribution_share",
            "Share of the images that the model does not know.",
            report.out_of_distribution,
        )
