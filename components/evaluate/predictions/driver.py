"""Looks, before models are asked, which files are there that they are compared by.

These are the graph of the one to beat, and the records of what both were trained on.
"""

from pathlib import Path

from tfx import types
from tfx.orchestration.portable import data_types
from tfx.utils import path_utils

from components.driver import Driver
from components.ingest.history import HISTORY_FILE
from components.ingest.sides import SIDES_FILE
from components.servable import SAVED_MODEL_FILE

FILES_THERE = "files_there"
"""The property that says of each in turn, with 1 or 0."""


class PredictionsDriver(Driver):
    """Adds to the execution properties which files are there.

    What was found without them does not hold any longer when they are back.
    """

    def deciding(self, execution_info: data_types.ExecutionInfo) -> dict[str, str]:
        """Looks."""
        given = execution_info.input_dict
        there = [is_there(model) for model in given.get("baseline_model") or ()]
        there += [
            Path(splits.uri, name).is_file()
            for channel in ("splits", "model_splits", "baseline_splits")
            for splits in given.get(channel) or ()
            for name in (SIDES_FILE, HISTORY_FILE)
        ]
        return {FILES_THERE: "".join(str(int(one)) for one in there)}


def is_there(model: types.Artifact) -> bool:
    """Whether a model's files are where they were written."""
    return (saved_model(model) / SAVED_MODEL_FILE).is_file()


def saved_model(model: types.Artifact) -> Path:
    """The folder of a model's SavedModel."""
    return Path(path_utils.serving_model_path(model.uri))
