"""Looks, before models are asked, whether the one to beat is there."""

from tfx.orchestration.portable import data_types

from components.driver import FILES_THERE, Driver
from components.model_folder import is_there


class RobustnessDriver(Driver):
    """Adds to the execution properties whether the last blessed model's files are there.

    What was found without them does not hold any longer when they are back.
    """

    def deciding(self, execution_info: data_types.ExecutionInfo) -> dict[str, str]:
        """Looks."""
        baselines = execution_info.input_dict.get("baseline_model") or ()
        return {FILES_THERE: "".join(str(int(is_there(model))) for model in baselines)}
