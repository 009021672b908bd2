"""Says which settings of a training decide what comes out, for TFX's cache."""

from collections.abc import Mapping
from pathlib import Path

from tfx.orchestration.portable import data_types

from components.driver import Driver
from components.trainer.config import Training
from components.trainer.identity import identity, initial_weights
from components.trainer.weights.exported import WEIGHTS_PROPERTY

_CUSTOM_CONFIG = "custom_config"


class TrainingDriver(Driver):
    """Keys TFX's cache by what decides, and looks which file of weights a training begins with.

    What the file holds is recorded on the execution: a model that began with another one knows the
    images of that one, too.
    """

    def deciding(self, execution_info: data_types.ExecutionInfo) -> Mapping[str, str]:
        """Names the training alone."""
        config = Training.model_validate_json(execution_info.exec_properties[_CUSTOM_CONFIG])
        weights = initial_weights(config.recipe.model.weights)
        named = {_CUSTOM_CONFIG: identity(config, weights)}
        if isinstance(config.recipe.model.weights, Path):
            named[WEIGHTS_PROPERTY] = weights
        return named
