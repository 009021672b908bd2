"""Looks, before a model is pushed, whether a person has decided against it."""

from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2
from tfx.types.standard_artifacts import ModelBlessing

from components.evaluate.ruled_out import withdrawn_models
from components.evaluate.verdict import WITHDRAWN


# TFX's component class demands the one base, its launcher calls the other.
class PushDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Adds to the execution properties, which TFX's cache is keyed by, whether it is withdrawn.

    The mark is on the blessings that there were when the person decided. A model that is judged
    once more gets another blessing, and what was decided of the model stays.
    """

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        """Keeps ML Metadata's handle, as the launcher wants it."""
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Asks all blessings of the model."""
        [model] = execution_info.input_dict["model"]
        with self._mlmd_connection as handle:
            blessings = handle.store.get_artifacts_by_type(ModelBlessing.TYPE_NAME)
        output = driver_output_pb2.DriverOutput()
        output.exec_properties[WITHDRAWN].int_value = int(model.id in withdrawn_models(blessings))
        return output
