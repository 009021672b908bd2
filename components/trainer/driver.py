"""Says which settings of a training decide what comes out, for TFX's cache."""

from pathlib import Path

from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.trainer.config import Training
from components.trainer.identity import identity, initial_weights
from components.trainer.weights.exported import WEIGHTS_PROPERTY

_CUSTOM_CONFIG = "custom_config"


# TFX's component class demands the one base, its launcher calls the other.
class TrainingDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Keys TFX's cache by what decides, and looks which file of weights a training begins with.

    What the file holds is recorded on the execution: a model that began with another one knows the
    images of that one, too.
    """

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        """Keeps ML Metadata's handle, as the launcher wants it."""
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Names the training alone."""
        config = Training.model_validate_json(execution_info.exec_properties[_CUSTOM_CONFIG])
        weights = initial_weights(config.recipe.model.weights)
        output = driver_output_pb2.DriverOutput()
        output.exec_properties[_CUSTOM_CONFIG].string_value = identity(config, weights)
        if isinstance(config.recipe.model.weights, Path):
            output.exec_properties[WEIGHTS_PROPERTY].string_value = weights
        return output
