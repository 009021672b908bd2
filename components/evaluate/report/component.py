"""The Report component: all that a run has left on a model in, one page and a card out."""

import json
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.evaluate.artifacts import ModelReport, PredictionsFile
from components.evaluate.config import EvaluateConfig
from components.evaluate.report.config import CardConfig
from components.evaluate.report.executor import ReportExecutor
from components.gate.artifacts import GateVerdict
from components.ingest.artifacts import IngestReportFile
from components.robustness.artifacts import ChangedAnswersFile
from components.source_digest import source_digest


class ReportSpec(types.ComponentSpec):
    """What the Report takes and gives.

    In come the predictions of the test images and of changed ones, the Evaluator's verdict, the
    candidate, ingest's raw Examples for the images that are shown, and what ingest, data gate and
    serve check found.
    """

    PARAMETERS = {
        name: ExecutionParameter(type=str)
        for name in ("config", "card", "parameters", "data_note", "push", "code")
    }
    INPUTS = {
        "predictions": ChannelParameter(type=PredictionsFile),
        "changed": ChannelParameter(type=ChangedAnswersFile),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "data_report": ChannelParameter(type=IngestReportFile),
        "gate_verdict": ChannelParameter(type=GateVerdict),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
    }
    OUTPUTS = {"model_report": ChannelParameter(type=ModelReport)}


class Report(base_component.BaseComponent):
    """Writes what a reviewer decides from."""

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ReportExecutor)

    def __init__(
        self,
        *,
        config: EvaluateConfig,
        card: CardConfig,
        parameters: Mapping[str, Any],
        data_note: str,
        push: str,
        **channels: types.BaseChannel,
    ) -> None:
        """Specifies the component.

        Args:
            config: Thresholds, and how figures are computed.
            card: What only the user knows.
            parameters: What the model was made with, for its lineage.
            data_note: What the data folder says of itself, if anything.
            push: `auto` or `after_review`.
            **channels: What `ReportSpec` takes.
        """
        super().__init__(
            ReportSpec(
                **channels,
                config=config.model_dump_json(),
                card=card.model_dump_json(),
                parameters=json.dumps(dict(parameters), sort_keys=True),
                data_note=data_note,
                push=push,
                code=source_digest("components.evaluate.report.executor"),
                model_report=types.Channel(type=ModelReport),
            )
        )
