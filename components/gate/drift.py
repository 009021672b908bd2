"""How far the training images lie from those of the last data that passed."""

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.gate.config import GateConfig
from components.gate.rules import Severity
from components.gate.verdict import Distance, Finding
from components.ingest.report import IngestReport

Statistics = statistics_pb2.DatasetFeatureStatisticsList


def measure_drift(
    now: Statistics, before: Statistics, schema: schema_pb2.Schema, config: GateConfig
) -> tuple[Distance, ...]:
    """Measures every feature for which the schema has a drift comparator.

    The schema's thresholds are those of large data. The fewer images there are, the farther two
    samples of the same images lie apart: in the mean by about (bins - 1) / (8 ln 2) times the sum
    of one over both sizes (the divergence is asymptotically chi-squared), and more where several
    images come of one patient. `GateConfig.drift_noise` allows for both.

    Args:
        now: Statistics of the training images.
        before: Those of the data before.
        schema: With the comparators and their thresholds.
        config: The allowance.

    Returns:
        A distance for each feature that both have.
    """
    anomalies = tfdv.validate_statistics(now, schema, previous_statistics=before)
    allowance = config.drift_noise * sum(
        1 / max(statistics.datasets[0].num_examples, 1) for statistics in (now, before)
    )
    return tuple(
        Distance(
            feature=".".join(info.path.step),
            value=measured.value,
            allowed=measured.threshold + allowance,
        )
        for info in sorted(anomalies.drift_skew_info, key=lambda info: list(info.path.step))
        for measured in info.drift_measurements
    )


def check_drift(
    distances: tuple[Distance, ...],
    report: IngestReport,
    previous: IngestReport,
    config: GateConfig,
) -> list[Finding]:
    """Says which features lie too far from where they were.

    Data of another folder or of other classes differ by intent: there, drift warns.

    Args:
        distances: What was measured.
        report: Of these data.
        previous: Of the data before.
        config: Severities.

    Returns:
        A finding for each feature that drifted.
    """
    alike = (report.source, report.classes) == (previous.source, previous.classes)
    default: Severity | None = None if alike else "warn"
    of = f"the last data that passed ({previous.source}, span {previous.span})"
    return [
        Finding(
            name=f"drift:{distance.feature}",
            severity=config.severity_of(f"drift:{distance.feature}", default),
            found=f"{distance.feature} lies {distance.value:.3f} (Jensen-Shannon divergence) from "
            f"{of}.",
            expected=f"At most {distance.allowed:.3f}, with as few images as these and those.",
            action="Find out what has changed: scanner, protocol, conversion or patients.",
            figures={"value": distance.value, "allowed": distance.allowed},
        )
        for distance in distances
        if distance.value > distance.allowed
    ]
