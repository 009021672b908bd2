"""The Gate component: statistics, anomalies and counts in, a verdict and a page out."""

import json
import logging
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies, ExampleStatistics, Schema
from tfx.utils import io_utils

from components.gate.anomalies import check_anomalies
from components.gate.artifacts import GateVerdict
from components.gate.checks import check_report, total_images
from components.gate.config import GateConfig
from components.gate.drift import Statistics, check_drift, measure_drift
from components.gate.page import render
from components.gate.verdict import (
    PAGE_FILE,
    REPORT_ID,
    STATISTICS_ID,
    DataVerdict,
    Distance,
    Previous,
    weigh,
)
from components.ingest.artifacts import IngestReportFile, RejectedImages
from components.ingest.report import IngestReport

_TRAIN = "train"

_LOG = logging.getLogger(__name__)


@component
def Gate(
    statistics: InputArtifact[ExampleStatistics],
    anomalies: InputArtifact[ExampleAnomalies],
    schema: InputArtifact[Schema],
    report: InputArtifact[IngestReportFile],
    verdict: OutputArtifact[GateVerdict],
    config: Parameter[str],
    accepted: Parameter[str],
    reason: Parameter[str],
    code: Parameter[str],
    rejected: InputArtifact[RejectedImages] = None,
    previous_statistics: InputArtifact[ExampleStatistics] = None,
    previous_report: InputArtifact[IngestReportFile] = None,
) -> None:
    """Judges the data of a run.

    It never fails because of the data: what is wrong is its output, and whoever runs the pipeline
    stops where the verdict says so.

    Args:
        statistics: Of this run's Examples.
        anomalies: Where they differ from the schema.
        schema: The curated schema, with its drift comparators.
        report: What ingest counted.
        verdict: The judgement, and its page.
        config: Limits and severities, JSON of a `GateConfig`.
        accepted: Names of findings, or of rules, that shall warn instead of stop, a JSON list. It
            is a parameter, as `reason` is, so that ML Metadata keeps who let what pass.
        reason: Why.
        code: Digest of this code, for TFX's cache.
        rejected: Which files ingest left out, for the page.
        previous_statistics: Of the last data that passed, or of none.
        previous_report: What ingest counted then.
    """
    limits = GateConfig.model_validate_json(config)
    counts = IngestReport.read(Path(report.uri))
    by_split = _statistics(statistics)
    previous, before = None, None
    distances: tuple[Distance, ...] = ()
    if previous_report is not None and previous_statistics is not None:
        previous = IngestReport.read(Path(previous_report.uri))
        before = _statistics(previous_statistics)[_TRAIN]
        curated = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema.uri))
        distances = measure_drift(by_split[_TRAIN], before, curated, limits)
    findings = [
        *check_report(counts, previous, limits),
        *check_anomalies(_anomalies(anomalies), limits),
        *(check_drift(distances, counts, previous, limits) if previous else ()),
    ]
    outcome, weighed = weigh(findings, json.loads(accepted))
    judgement = DataVerdict(
        outcome=outcome,
        source=counts.source,
        span=counts.span,
        findings=weighed,
        reason=reason,
        previous=previous
        and Previous(source=previous.source, span=previous.span, images=total_images(previous)),
        distances=distances,
    )
    _LOG.info("%s: %s", outcome, ", ".join(finding.name for finding in weighed) or "no finding")
    folder = Path(verdict.uri)
    judgement.write(folder)
    page = render(
        judgement,
        counts,
        previous,
        by_split,
        before,
        Path(rejected.uri) if rejected is not None else None,
    )
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")
    _describe(verdict, judgement, counts)
    verdict.set_int_custom_property(STATISTICS_ID, statistics.id)
    verdict.set_int_custom_property(REPORT_ID, report.id)


def _statistics(artifact: types.Artifact) -> dict[str, Statistics]:
    return {
        split: stats_artifact_utils.load_statistics(artifact, split).proto()
        for split in artifact_utils.decode_split_names(artifact.split_names)
    }


def _anomalies(artifact: types.Artifact) -> dict[str, anomalies_pb2.Anomalies]:
    return {
        split: anomalies_pb2.Anomalies.FromString(
            Path(artifact_utils.get_split_uri([artifact], split), DEFAULT_FILE_NAME).read_bytes()
        )
        for split in artifact_utils.decode_split_names(artifact.split_names)
    }


def _describe(artifact: types.Artifact, verdict: DataVerdict, report: IngestReport) -> None:
    """Records what a later run must know to find the last data that passed."""
    accepted = [finding.name for finding in verdict.findings if finding.accepted]
    artifact.set_string_custom_property("outcome", verdict.outcome)
    artifact.set_int_custom_property("stops", len(verdict.named("stop")))
    artifact.set_int_custom_property("warnings", len(verdict.named("warn")))
    artifact.set_string_custom_property("accepted", ",".join(accepted))
    artifact.set_string_custom_property("source", report.source)
    artifact.set_string_custom_property("fingerprint", report.fingerprint)
