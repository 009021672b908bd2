"""The base of our drivers, which say what TFX's cache is keyed by."""

import abc
from collections.abc import Mapping

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

FILES_THERE = "files_there"
"""The property that says of files that a node may lack, each in turn, with 1 or 0."""


class Driver(portable_driver.BaseDriver, base_driver.BaseDriver):
    """Adds to a node's execution properties, or replaces some, before the cache is asked.

    TFX's component class demands the one base, its launcher calls the other. The executor gets
    what is added, and what is replaced as it was declared.
    """

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Gives TFX the properties that differ."""
        output = driver_output_pb2.DriverOutput()
        for name, value in self.deciding(execution_info).items():
            data_types_utils.set_metadata_value(output.exec_properties[name], value)
        return output

    @abc.abstractmethod
    def deciding(self, execution_info: data_types.ExecutionInfo) -> Mapping[str, str | int]:
        """Looks what decides.

        Args:
            execution_info: The node's inputs, outputs and properties.

        Returns:
            The execution properties that are added or replaced.
        """
