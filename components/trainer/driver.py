"""Says which settings of a training decide what comes out, for TFX's cache."""

import json

from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

_CUSTOM_CONFIG = "custom_config"


# TFX's component class demands the one base, its launcher calls the other.
class RecipeDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Leaves out of the execution properties, by which TFX's cache is keyed, what decides nothing.

    That is where the cache of features and the file of weights lie, of which there is a digest, and
    how much room features may take.
    """

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        """Keeps ML Metadata's handle, as the launcher wants it."""
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Names the recipe alone."""
        recipe = json.loads(execution_info.exec_properties[_CUSTOM_CONFIG])
        recipe.pop("cache", None)
        if recipe["weights"]:
            recipe["model"].pop("weights", None)
        recipe["train"].pop("cache_gigabytes", None)
        output = driver_output_pb2.DriverOutput()
        output.exec_properties[_CUSTOM_CONFIG].string_value = json.dumps(recipe, sort_keys=True)
        return output
