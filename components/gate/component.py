"""The gate component: statistics, anomalies and counts in, a verdict and a page out."""

import json
from collections.abc import Sequence

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.gate.artifacts import GateVerdict
from components.gate.config import GateConfig
from components.gate.executor import GateExecutor
from components.gate.rules import check_acceptance
from components.ingest.artifacts import IngestReportFile
from components.source_digest import source_digest


class GateSpec(types.ComponentSpec):
    """What the gate takes and gives.

    `accepted` and `reason` are execution properties so that ML Metadata keeps who let what pass.
    """

    PARAMETERS = {
        "config": ExecutionParameter(type=str),
        "accepted": ExecutionParameter(type=str),
        "reason": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "report": ChannelParameter(type=IngestReportFile),
        "previous_statistics": ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
        "previous_report": ChannelParameter(type=IngestReportFile, optional=True),
    }
    OUTPUTS = {"verdict": ChannelParameter(type=GateVerdict)}


class Gate(base_component.BaseComponent):
    """Judges the data of a run.

    It never fails because of the data: what is wrong is its output, and whoever runs the pipeline
    stops where the verdict says so.
    """

    SPEC_CLASS = GateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(GateExecutor)

    def __init__(
        self,
        *,
        statistics: types.BaseChannel,
        anomalies: types.BaseChannel,
        schema: types.BaseChannel,
        report: types.BaseChannel,
        previous_statistics: types.BaseChannel | None = None,
        previous_report: types.BaseChannel | None = None,
        config: GateConfig,
        accepted: Sequence[str] = (),
        reason: str = "",
    ) -> None:
        """Specifies the component.

        Args:
            statistics: Of this run's Examples.
            anomalies: Where they differ from the schema.
            schema: The curated schema, with its drift comparators.
            report: What ingest counted.
            previous_statistics: Of the last data that passed, or of none.
            previous_report: What ingest counted then.
            config: Limits and severities.
            accepted: Names of findings, or of rules, that shall warn instead of stop.
            reason: Why.

        Raises:
            PipelineError: A name is unknown, or there is no reason.
        """
        check_acceptance(accepted, reason)
        super().__init__(
            GateSpec(
                statistics=statistics,
                anomalies=anomalies,
                schema=schema,
                report=report,
                previous_statistics=previous_statistics,
                previous_report=previous_report,
                config=config.model_dump_json(),
                accepted=json.dumps(sorted(set(accepted))),
                reason=reason,
                code=source_digest("components.gate.executor"),
                verdict=types.Channel(type=GateVerdict),
            )
        )
