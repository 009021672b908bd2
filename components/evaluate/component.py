"""The Evaluator component: predictions in, TFMA's figures and a blessing out."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.evaluate.artifacts import PredictionsFile
from components.evaluate.config import EvaluateConfig
from components.evaluate.executor import EvaluatorExecutor
from components.source_digest import source_digest


class EvaluatorSpec(types.ComponentSpec):
    """What the Evaluator takes and gives: as TFX's own, but for predictions instead of Examples."""

    PARAMETERS = {
        "config": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {
        "predictions": ChannelParameter(type=PredictionsFile),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class Evaluator(base_beam_component.BaseBeamComponent):
    """Runs TFMA on predictions that were made once.

    TFX's own Evaluator asks the models itself; every other figure would need a second pass over the
    test images.
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(EvaluatorExecutor)

    def __init__(
        self,
        *,
        predictions: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel | None = None,
        config: EvaluateConfig,
    ) -> None:
        """Specifies the component.

        Args:
            predictions: Of the test images.
            model: The candidate.
            baseline_model: The model to beat, or none.
            config: What it takes to be blessed.
        """
        super().__init__(
            EvaluatorSpec(
                predictions=predictions,
                model=model,
                baseline_model=baseline_model,
                config=config.model_dump_json(),
                code=source_digest("components.evaluate.executor"),
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
