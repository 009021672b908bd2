"""Looks, before a model is pushed, where it stands and which one is served."""

from pathlib import Path

from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto import pusher_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.utils import proto_utils

from components.evaluate.standing import Standing, read_standings
from components.evaluate.verdict import WITHDRAWN
from components.push.place import version_for

VERSION = "version"
"""As which version the model is served or would be; 0 where a person decides."""


# TFX's component class demands the one base, its launcher calls the other.
class PushDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Adds to the execution properties, which TFX's cache is keyed by, what the inputs do not say.

    That is whether a person has decided against the model, and its version: that it was pushed once
    is an answer only as long as no other was pushed over it.
    """

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        """Keeps ML Metadata's handle, as the launcher wants it."""
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Asks where the model stands, and looks which version it is."""
        [model] = execution_info.input_dict["model"]
        with self._mlmd_connection as handle:
            standing = read_standings(handle.store).get(model.id, Standing())
        output = driver_output_pb2.DriverOutput()
        output.exec_properties[WITHDRAWN].int_value = int(standing.withdrawn)
        output.exec_properties[VERSION].int_value = 0
        if execution_info.exec_properties["push"] == "auto":
            destination = pusher_pb2.PushDestination()
            proto_utils.json_to_proto(
                execution_info.exec_properties["push_destination"], destination
            )
            base = Path(destination.filesystem.base_directory)
            output.exec_properties[VERSION].int_value = version_for(base, model.mlmd_artifact)
        return output
