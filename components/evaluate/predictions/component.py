"""The Predictions component: raw test Examples and models in, what the models say out."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.evaluate.artifacts import PredictionsFile
from components.evaluate.predictions.executor import PredictionsExecutor
from components.source_digest import source_digest


class PredictionsSpec(types.ComponentSpec):
    """What Predictions takes and gives."""

    PARAMETERS = {"code": ExecutionParameter(type=str)}
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {"predictions": ChannelParameter(type=PredictionsFile)}


class Predictions(base_component.BaseComponent):
    """Asks the exported graph about every raw test image, once, for every figure that follows."""

    SPEC_CLASS = PredictionsSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PredictionsExecutor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel | None = None,
    ) -> None:
        """Specifies the component.

        Args:
            examples: Ingest's raw Examples, of which the test split is used.
            model: The candidate.
            baseline_model: The model to beat, or none.
        """
        super().__init__(
            PredictionsSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                code=source_digest("evaluate/predictions"),
                predictions=types.Channel(type=PredictionsFile),
            )
        )
