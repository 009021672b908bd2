"""Looks, before models are asked, which files are there that they are compared by.

These are the graph of the one to beat, and the records of what both were trained on.
"""

from pathlib import Path

from tfx import types
from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2
from tfx.utils import path_utils

from components.ingest.history import HISTORY_FILE
from components.ingest.sides import SIDES_FILE
from components.servable import SAVED_MODEL_FILE

FILES_THERE = "files_there"
"""The property that says of each in turn, with 1 or 0."""


# TFX's component class demands the one base, its launcher calls the other.
class PredictionsDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Adds to the execution properties, which TFX's cache is keyed by, which are there.

    What was found without them does not hold any longer when they are back.
    """

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        """Keeps ML Metadata's handle, as the launcher wants it."""
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Looks."""
        given = execution_info.input_dict
        there = [is_there(model) for model in given.get("baseline_model") or ()]
        there += [
            Path(splits.uri, name).is_file()
            for channel in ("splits", "model_splits", "baseline_splits")
            for splits in given.get(channel) or ()
            for name in (SIDES_FILE, HISTORY_FILE)
        ]
        output = driver_output_pb2.DriverOutput()
        output.exec_properties[FILES_THERE].string_value = "".join(str(int(one)) for one in there)
        return output


def is_there(model: types.Artifact) -> bool:
    """Whether a model's files are where they were written."""
    folder = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    return Path(folder, SAVED_MODEL_FILE).is_file()
