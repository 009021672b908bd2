"""The serve check's specification: a model and test images in, an InfraBlessing out."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.serve_check.config import ServeCheckConfig
from components.serve_check.executor import ServeCheckExecutor
from components.source_digest import source_digest

_CODE = ("components.serve_check.executor", "components.leash", "serving.server.__main__")
"""Where the code begins that decides: here, and in the processes that are started."""


class ServeCheckSpec(types.ComponentSpec):
    """What the serve check takes and gives; its blessing is TFX's own, so that Pusher heeds it."""

    PARAMETERS = {"config": ExecutionParameter(type=str), "code": ExecutionParameter(type=str)}
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {"blessing": ChannelParameter(type=standard_artifacts.InfraBlessing)}


class ServeCheck(base_component.BaseComponent):
    """Starts a server on the candidate, in a process of its own, and asks it.

    It never fails because of the model: a refusal and its reasons are its output. TFX's own
    InfraValidator needs Docker or Kubernetes and compares nothing.
    """

    SPEC_CLASS = ServeCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ServeCheckExecutor)

    def __init__(
        self, *, model: types.BaseChannel, examples: types.BaseChannel, config: ServeCheckConfig
    ) -> None:
        """Specifies the component.

        Args:
            model: The candidate.
            examples: Ingest's, raw, with a `test` split.
            config: The server, and what is demanded.
        """
        super().__init__(
            ServeCheckSpec(
                model=model,
                examples=examples,
                config=config.model_dump_json(),
                code=source_digest(*_CODE),
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
