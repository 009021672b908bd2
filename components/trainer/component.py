"""The Trainer component: TFX's, with our driver and executor."""

from tfx.components.trainer import component
from tfx.dsl.components.base import executor_spec

from components.trainer.driver import RecipeDriver
from components.trainer.executor import TrainerExecutor


class Trainer(component.Trainer):
    """Trains a model, cached by what decides, and records what another may begin with."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TrainerExecutor)
    DRIVER_CLASS = RecipeDriver
