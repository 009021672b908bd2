"""Looks, before a model is pushed, whether a person has decided against it."""

from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.evaluate.standing import Standing, read_standings
from components.evaluate.verdict import WITHDRAWN


# TFX's component class demands the one base, its launcher calls the other.
class PushDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Adds to the execution properties, which TFX's cache is keyed by, whether it is withdrawn."""

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        """Keeps ML Metadata's handle, as the launcher wants it."""
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Asks where the model stands."""
        [model] = execution_info.input_dict["model"]
        with self._mlmd_connection as handle:
            standing = read_standings(handle.store).get(model.id, Standing())
        output = driver_output_pb2.DriverOutput()
        output.exec_properties[WITHDRAWN].int_value = int(standing.withdrawn)
        return output
