"""The work of Trainer: TFX's own, and a record of what the model's files hold."""

from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.trainer.executor import GenericExecutor
from tfx.types import artifact_utils

from components.trainer.weights.exported import DIGEST_PROPERTIES, exported_digest


class TrainerExecutor(GenericExecutor):
    """Trains as TFX's executor does, by `run_fn`, and records digests of the weights."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Trains, and notes on the model what a later one that begins with it is known by.

        Args:
            input_dict: As TFX's executor has it.
            output_dict: As TFX's executor has it; `model` gets the digests as properties.
            exec_properties: As TFX's executor has it.
        """
        super().Do(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(output_dict["model"])
        for name, key in DIGEST_PROPERTIES.items():
            model.set_string_custom_property(key, exported_digest(Path(model.uri, name)))
