"""A report as metrics, for the textfile collector of Prometheus' node exporter."""

from collections.abc import Mapping

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

    def by(label: str, name: str, says: str, values: Mapping[str, float]) -> None:
        gauge = Gauge(f"mri_monitor_{name}", says, [label], registry=registry)
        for key, value in values.items():
            gauge.labels(key).set(value)

    unknown = report.out_of_distribution
    for name, says, value in (
        ("drift", "1 if a feature of the images drifted, otherwise 0.", report.outcome == "drift"),
        ("images", "Images in the window.", report.images),
        ("last_request_timestamp_seconds", "Time of the last request.", report.last.timestamp()),
        ("confidence_mean", "Mean confidence.", report.confidence),
        (
            "latency_p95_milliseconds",
            "Milliseconds within which 95 of 100 requests are answered.",
            report.latency.p95,
        ),
        ("out_of_distribution_share", "Share of the images that the model does not know.", unknown),
    ):
        if value is not None:
            Gauge(f"mri_monitor_{name}", says, registry=registry).set(value)
    values = {one.feature: one.value for one in report.distances}
    by("feature", "divergence", "Jensen-Shannon divergence from the training images.", values)
    allowed = {one.feature: one.allowed for one in report.distances}
    by(
        "feature",
        "divergence_allowed",
        "Divergence up to which a feature counts as unchanged.",
        allowed,
    )
    by("reason", "reason_share", "Share of the images by reason for referral.", report.reasons)
    by("label", "label_share", "Share of the answers by class.", report.labels)
    return str(generate_latest(registry).decode())
