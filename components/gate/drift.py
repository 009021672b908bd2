"""How far the training images lie from those of the last data that passed."""

from typing import TypeAlias

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.gate.config import GateConfig
from components.gate.verdict import Distance, Finding
from components.ingest.report import IngestReport
from components.pages.names import shown

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList


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
    means, previous_means = _means(now), _means(before)
    return tuple(
        Distance(
            feature=feature,
            value=measured.value,
            allowed=measured.threshold + allowance,
            mean=means.get(feature),
            previous_mean=previous_means.get(feature),
        )
        for feature, measurements in sorted(
            (".".join(info.path.step), info.drift_measurements)
            for info in anomalies.drift_skew_info
        )
        for measured in measurements
    )


def _means(statistics: Statistics) -> dict[str, float]:
    return {
        ".".join(feature.path.step): feature.num_stats.mean
        for feature in statistics.datasets[0].features
        if feature.HasField("num_stats")
    }


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
    of = f"the last data that passed ({shown(previous.source)}, span {previous.span})"
    return [
        config.finding(
            f"drift:{distance.feature}",
            default=None if alike else "warn",
            found=f"{_change(distance)} in {of}: a divergence of {distance.value:.3f}.",
            expected=f"At most {distance.allowed:.3f}, for this number of images.",
            action="Find out what has changed: scanner, protocol, conversion or patients.",
            figures=distance.model_dump(exclude={"feature"}, exclude_none=True),
        )
        for distance in distances
        if distance.value > distance.allowed
    ]


def _change(distance: Distance) -> str:
    if distance.mean is None or distance.previous_mean is None:
        return f"{distance.feature} is not distributed as"
    return (
        f"{distance.feature} is {distance.mean:.4g} on average and was {distance.previous_mean:.4g}"
    )
