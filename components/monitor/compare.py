"""Compares a window of requests with the training images, by the gate's own measure of drift."""

from collections import Counter
from itertools import chain

import pandas as pd
import tensorflow_data_validation as tfdv

from components.errors import UsageError
from components.gate.config import GateConfig
from components.gate.drift import Statistics, measure_drift
from components.monitor.report import LABEL, Latency, MonitorReport
from components.monitor.window import FEATURES, REASONS
from components.reasons import counted
from components.schema_gen.curated import curated_schema
from schema.statistics import statistics_options


def compare(window: pd.DataFrame, training: Statistics, *, left_out: int = 0) -> MonitorReport:
    """Says whether the images that a model is asked about are like those it was trained on.

    The schema's drift comparators and the gate's allowance for small data apply, so a handful of
    requests is never drift. Of the answers it is said how far they lie from the training's labels,
    but they decide nothing: patients are not spread over the classes as a data set is.

    Args:
        window: What `one_version` gave.
        training: TFDV's statistics of the training images.
        left_out: How many images others answered in the same time.

    Returns:
        The report.

    Raises:
        PipelineError: The statistics are of something else.
    """
    labels = _labels(training)
    distances = measure_drift(
        window_statistics(window), training, curated_schema(sorted(labels)), GateConfig()
    )
    drifted = any(one.value > one.allowed for one in distances if one.feature != LABEL)
    known = window["in_distribution"].dropna()
    p50, p95, p99 = window["latency_ms"].quantile([0.5, 0.95, 0.99])
    return MonitorReport(
        outcome="drift" if drifted else "no drift",
        first=window["time"].min().to_pydatetime(),
        last=window["time"].max().to_pydatetime(),
        images=len(window),
        model=str(window["model"].iloc[0]),
        version=int(window["version"].iloc[0]),
        left_out=left_out,
        training_images=training.datasets[0].num_examples,
        distances=distances,
        labels={
            str(name): float(share)
            for name, share in window["label"].value_counts(normalize=True).sort_index().items()
        },
        training_labels=labels,
        confidence=float(window["confidence"].mean()),
        out_of_distribution=float(1 - known.astype(bool).mean()) if len(known) else None,
        reasons=_reasons(window[REASONS].dropna()),
        latency=Latency(p50=p50, p95=p95, p99=p99),
    )


def window_statistics(window: pd.DataFrame) -> Statistics:
    """TFDV's statistics of a window, its columns named as ingest names them."""
    table = window[[*FEATURES, "label"]].add_prefix("image/")
    return tfdv.generate_statistics_from_dataframe(table, statistics_options(), n_jobs=1)


def _reasons(given: "pd.Series[str]") -> dict[str, float]:
    """Share of the images by reason, the commonest first."""
    counts = Counter(chain.from_iterable(given.map(counted)))
    return {reason: count / len(given) for reason, count in counts.most_common()}


def _labels(training: Statistics) -> dict[str, float]:
    """Share of the training images by class."""
    counts = {
        bucket.label: bucket.sample_count
        for dataset in training.datasets
        for feature in dataset.features
        if ".".join(feature.path.step) == LABEL
        for bucket in feature.string_stats.rank_histogram.buckets
    }
    if len(counts) < 2:
        raise UsageError(
            "The statistics have no classes: give those of the training images, as StatisticsGen "
            "writes them (Split-train/FeatureStats.pb)."
        )
    total = sum(counts.values())
    return {name: count / total for name, count in sorted(counts.items())}
