"""The Pusher component: a blessed model and its report in, a version for the server out."""

from pathlib import Path

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.evaluate.artifacts import ModelReport
from components.evaluate.verdict import WITHDRAWN
from components.push.driver import BEHIND, VERSION, PushDriver
from components.push.executor import AtomicPushExecutor
from components.push.pushed import Push


class PusherSpec(types.ComponentSpec):
    """What TFX's own Pusher takes and gives, and a report.

    The driver fills in `withdrawn`, whether a person has decided against the model, and `version`,
    as which it is served or would be; and `behind`, which versions the bucket lacks.
    """

    PARAMETERS = {
        "push_destination": ExecutionParameter(type=pusher_pb2.PushDestination),
        "push": ExecutionParameter(type=str),
        "bucket": ExecutionParameter(type=str),
        WITHDRAWN: ExecutionParameter(type=int, optional=True),
        VERSION: ExecutionParameter(type=int, optional=True),
        BEHIND: ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {
        **standard_component_specs.PusherSpec.INPUTS,
        "report": ChannelParameter(type=ModelReport),
    }
    OUTPUTS = {"pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)}


class Pusher(base_component.BaseComponent):
    """Pushes a blessed model, or lets it wait for a person."""

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(AtomicPushExecutor)
    DRIVER_CLASS = PushDriver

    def __init__(
        self,
        *,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel | None = None,
        report: types.BaseChannel,
        base_directory: Path,
        push: Push,
        bucket: str | None = None,
    ) -> None:
        """Specifies the component.

        Args:
            model: The candidate.
            model_blessing: The Evaluator's word on it.
            infra_blessing: The serving check's word on it, if there is one.
            report: Its report and card.
            base_directory: The folder that holds the served versions.
            push: `auto`, or `after_review`, where a person decides.
            bucket: `s3://BUCKET/FOLDER` that is to hold the versions, too; None for what was
                decided before.
        """
        super().__init__(
            PusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                report=report,
                push_destination=pusher_pb2.PushDestination(
                    filesystem=pusher_pb2.PushDestination.Filesystem(
                        base_directory=str(base_directory)
                    )
                ),
                push=push,
                bucket=bucket or "",
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
