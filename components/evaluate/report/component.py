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
from components.evaluate.report.executor import ReportExecutor
from components.gate.artifacts import GateVerdict
from components.ingest.artifacts import IngestReportFile
from components.source_digest import source_digest


class ReportSpec(types.ComponentSpec):
    """What the Report takes and gives."""

    PARAMETERS = {
        "config": ExecutionParameter(type=str),
        "parameters": ExecutionParameter(type=str),
        "data_note": ExecutionParameter(type=str),
        "push": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {
        "predictions": ChannelParameter(type=PredictionsFile),
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
        predictions: types.BaseChannel,
        evaluation: types.BaseChannel,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        data_report: types.BaseChannel,
        gate_verdict: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        config: EvaluateConfig,
        parameters: Mapping[str, Any],
        data_note: str,
        push: str,
    ) -> None:
        """Specifies the component.

        Args:
            predictions: Of the test images.
            evaluation: The Evaluator's verdict.
            model: The candidate.
            examples: Ingest's raw Examples, for the images that are shown.
            data_report: What ingest counted.
            gate_verdict: What the data gate found.
            infra_blessing: What the serve check found.
            config: Thresholds, and how figures are computed.
            parameters: What the model was made with, for its lineage.
            data_note: What the data folder says of itself, if anything.
            push: `auto` or `after_review`.
        """
        super().__init__(
            ReportSpec(
                predictions=predictions,
                evaluation=evaluation,
                model=model,
                examples=examples,
                data_report=data_report,
                gate_verdict=gate_verdict,
                infra_blessing=infra_blessing,
                config=config.model_dump_json(),
                parameters=json.dumps(dict(parameters), sort_keys=True),
                data_note=data_note,
                push=push,
                code=source_digest("components.evaluate.report.executor"),
                model_report=types.Channel(type=ModelReport),
            )
        )
