"""The Tuner and the Trainer: TFX's, with one configuration and our driver."""

from typing import Any

from tfx.components.trainer import component as trainer
from tfx.components.tuner import component as tuner
from tfx.dsl.components.base import executor_spec
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel

from components.source_digest import source_digest
from components.trainer.config import Training
from components.trainer.driver import TrainingDriver
from components.trainer.executor import TrainerExecutor

_SPLITS = {
    "train_args": trainer_pb2.TrainArgs(splits=["train"]),
    "eval_args": trainer_pb2.EvalArgs(splits=["eval"]),
}


class Tuner(tuner.Tuner):
    """Looks for a better recipe on the eval split."""

    DRIVER_CLASS = TrainingDriver

    def __init__(self, config: Training, **inputs: BaseChannel) -> None:
        """Specifies the component.

        Args:
            config: The recipe to begin with, and how to search.
            **inputs: As TFX's Tuner has them.
        """
        code = "components.trainer.tune"
        super().__init__(
            tuner_fn=f"{code}.tuner_fn",
            custom_config=_told(config, code, unused={"confidence", "export"}),
            **_SPLITS,
            **inputs,
        )


class Trainer(trainer.Trainer):
    """Trains a model, and records what another may begin with."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TrainerExecutor)
    DRIVER_CLASS = TrainingDriver

    def __init__(self, config: Training, **inputs: BaseChannel | None) -> None:
        """Specifies the component.

        Args:
            config: The recipe, and the form that its model is exported in.
            **inputs: As TFX's Trainer has them.
        """
        code = ("components.trainer.executor", "components.trainer.run")
        super().__init__(
            run_fn="components.trainer.run.run_fn",
            custom_config=_told(config, *code, unused={"tune"}),
            **_SPLITS,
            **inputs,
        )


def _told(config: Training, *code: str, unused: set[str]) -> dict[str, Any]:
    """The configuration as TFX hands it on: a dictionary, without what decides nothing here."""
    named = config.model_copy(update={"code": source_digest(*code)})
    return named.model_dump(mode="json", exclude=unused)
