"""Looks, before models are asked, which files are there that they are compared by.

These are the graph of the one to beat, and the records of what both were trained on.
"""

from pathlib import Path

from tfx.orchestration.portable import data_types

from components.driver import FILES_THERE, Driver
from components.ingest.history import HISTORY_FILE
from components.ingest.sides import SIDES_FILE
from components.model_folder import is_there


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
