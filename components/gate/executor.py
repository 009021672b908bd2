"""The work of the gate: apply the rules, weigh what they find, write verdict and page."""

import json
import logging
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.gate.anomalies import check_anomalies
from components.gate.checks import check_report
from components.gate.config import GateConfig
from components.gate.drift import Statistics, check_drift, measure_drift
from components.gate.page import render
from components.gate.verdict import (
    PAGE_FILE,
    REPORT_ID,
    STATISTICS_ID,
    Distance,
    Previous,
    Verdict,
    weigh,
)
from components.ingest.report import IngestReport

_TRAIN = "train"

_LOG = logging.getLogger(__name__)


class GateExecutor(base_executor.BaseExecutor):
    """Judges the data of a run."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes a verdict; what it finds in the data raises nothing.

        Args:
            input_dict: `statistics`, `anomalies`, `schema`, `report`, and where there are any
                `previous_statistics` and `previous_report`.
            output_dict: `verdict`.
            exec_properties: `config` (JSON of a `GateConfig`), `accepted` (JSON list), `reason`.
        """
        config = GateConfig.model_validate_json(exec_properties["config"])
        accepted = json.loads(exec_properties["accepted"])
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        report_file = artifact_utils.get_single_instance(input_dict["report"])
        verdict_file = artifact_utils.get_single_instance(output_dict["verdict"])
        report = IngestReport.read(Path(report_file.uri))
        by_split = _statistics(statistics)
        previous, before = _previous(input_dict)

        distances: tuple[Distance, ...] = ()
        if before is not None:
            schema = io_utils.SchemaReader().read(
                io_utils.get_only_uri_in_dir(artifact_utils.get_single_uri(input_dict["schema"]))
            )
            distances = measure_drift(by_split[_TRAIN], before, schema, config)
        findings = [
            *check_report(report, previous, config),
            *check_anomalies(_anomalies(input_dict), config),
            *(check_drift(distances, report, previous, config) if previous else ()),
        ]
        outcome, weighed = weigh(findings, accepted)
        verdict = Verdict(
            outcome=outcome,
            source=report.source,
            span=report.span,
            findings=weighed,
            reason=exec_properties["reason"],
            previous=previous
            and Previous(source=previous.source, span=previous.span, images=_total(previous)),
            distances=distances,
        )
        _LOG.info("%s: %s", outcome, ", ".join(finding.name for finding in weighed) or "no finding")
        folder = Path(verdict_file.uri)
        verdict.write(folder)
        (folder / PAGE_FILE).write_text(
            render(verdict, report, previous, by_split, before), encoding="utf-8"
        )
        _describe(verdict_file, verdict, report, statistics.id, report_file.id)


def _statistics(artifact: types.Artifact) -> dict[str, Statistics]:
    return {
        split: stats_artifact_utils.load_statistics(artifact, split).proto()
        for split in artifact_utils.decode_split_names(artifact.split_names)
    }


def _anomalies(input_dict: dict[str, list[types.Artifact]]) -> dict[str, anomalies_pb2.Anomalies]:
    artifact = artifact_utils.get_single_instance(input_dict["anomalies"])
    return {
        split: anomalies_pb2.Anomalies.FromString(
            Path(artifact_utils.get_split_uri([artifact], split), DEFAULT_FILE_NAME).read_bytes()
        )
        for split in artifact_utils.decode_split_names(artifact.split_names)
    }


def _previous(
    input_dict: dict[str, list[types.Artifact]],
) -> tuple[IngestReport | None, Statistics | None]:
    """Counts of the last data that passed, and statistics of their training images."""
    if not input_dict.get("previous_report") or not input_dict.get("previous_statistics"):
        return None, None
    report = artifact_utils.get_single_instance(input_dict["previous_report"])
    statistics = artifact_utils.get_single_instance(input_dict["previous_statistics"])
    return IngestReport.read(Path(report.uri)), _statistics(statistics)[_TRAIN]


def _total(report: IngestReport) -> int:
    return sum(report.count(split) for split in ("train", "eval", "test"))


def _describe(
    artifact: types.Artifact,
    verdict: Verdict,
    report: IngestReport,
    statistics_id: int,
    report_id: int,
) -> None:
    """Records what a later run must know to find the last data that passed."""
    accepted = [finding.name for finding in verdict.findings if finding.accepted]
    artifact.set_string_custom_property("outcome", verdict.outcome)
    artifact.set_int_custom_property("stops", len(verdict.named("stop")))
    artifact.set_int_custom_property("warnings", len(verdict.named("warn")))
    artifact.set_string_custom_property("accepted", ",".join(accepted))
    artifact.set_string_custom_property("source", report.source)
    artifact.set_string_custom_property("fingerprint", report.fingerprint)
    artifact.set_int_custom_property(STATISTICS_ID, statistics_id)
    artifact.set_int_custom_property(REPORT_ID, report_id)
