"""Looks at the data folder before ingest runs, so that TFX's cache knows when it has changed."""

from pathlib import Path

from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.ingest.folder import list_images


# TFX's component class demands the one base, its launcher calls the other.
class IngestDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Adds the folder's fingerprint to the execution properties, which TFX's cache is keyed by."""

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        """Keeps ML Metadata's handle, as the launcher wants it."""
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Fingerprints the listing of the data folder."""
        output = driver_output_pb2.DriverOutput()
        folder = list_images(Path(execution_info.exec_properties["input_base"]))
        for name, value in execution_info.exec_properties.items():
            output.exec_properties[name].string_value = value
        output.exec_properties["fingerprint"].string_value = folder.fingerprint
        return output
