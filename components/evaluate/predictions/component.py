"""The Predictions component: raw test Examples and models in, what the models say out."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.evaluate.artifacts import PredictionsFile
from components.evaluate.predictions.driver import FILES_THERE, PredictionsDriver
from components.evaluate.predictions.executor import PredictionsExecutor
from components.ingest.artifacts import SplitAssignment
from components.ingest.config import DuplicatesConfig
from components.source_digest import source_digest


class PredictionsSpec(types.ComponentSpec):
    """What Predictions takes and gives."""

    PARAMETERS = {
        "duplicates": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
        FILES_THERE: ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "splits": ChannelParameter(type=SplitAssignment),
        "model_splits": ChannelParameter(type=SplitAssignment, optional=True),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
        "baseline_splits": ChannelParameter(type=SplitAssignment, optional=True),
    }
    OUTPUTS = {"predictions": ChannelParameter(type=PredictionsFile)}


class Predictions(base_component.BaseComponent):
    """Asks the exported graph about every raw test image, once, for every figure that follows."""

    SPEC_CLASS = PredictionsSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PredictionsExecutor)
    DRIVER_CLASS = PredictionsDriver

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        splits: types.BaseChannel,
        model_splits: types.BaseChannel | None = None,
        baseline_model: types.BaseChannel | None = None,
        baseline_splits: types.BaseChannel | None = None,
        duplicates: DuplicatesConfig,
    ) -> None:
        """Specifies the component.

        Args:
            examples: Ingest's raw Examples, of which the test split is used.
            model: The candidate.
            splits: Where the Examples stand.
            model_splits: Where the images stood that the candidate was made with.
            baseline_model: The model to beat, or none.
            baseline_splits: Where the images stood that it was made with.
            duplicates: When a test image counts as one that a model was trained on.
        """
        super().__init__(
            PredictionsSpec(
                examples=examples,
                model=model,
                splits=splits,
                model_splits=model_splits,
                baseline_model=baseline_model,
                baseline_splits=baseline_splits,
                duplicates=duplicates.model_dump_json(),
                code=source_digest("components.evaluate.predictions.executor"),
                predictions=types.Channel(type=PredictionsFile),
            )
        )
