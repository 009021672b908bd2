"""Looks, before a model is pushed, where it stands and which one is served."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx.orchestration.portable import data_types
from tfx.proto import pusher_pb2
from tfx.utils import proto_utils

from components.driver import Driver
from components.evaluate.standing import Standing, read_standings
from components.evaluate.verdict import WITHDRAWN
from components.push.place import version_for
from components.push.publishing import behind, set_bucket

VERSION = "version"
"""As which version the model is served or would be."""
BEHIND = "behind"
"""Which versions the bucket lacks that is to hold them, too: a push that did not get so far is no
answer."""


class PushDriver(Driver):
    """Adds to the execution properties what the inputs do not say.

    That is whether a person has decided against the model, and its version: that it was pushed once
    is an answer only as long as no other was pushed over it, and the bucket has it as well.
    """

    def deciding(self, execution_info: data_types.ExecutionInfo) -> dict[str, int | str]:
        """Asks where the model stands, and looks which version it is."""
        [model] = execution_info.input_dict["model"]
        with self._mlmd_connection as handle:
            standing = read_standings(handle.store).get(model.id, Standing())
        base = base_directory(execution_info.exec_properties)
        version = version_for(base, model.mlmd_artifact)
        if bucket := execution_info.exec_properties["bucket"]:
            set_bucket(base, bucket)
        lacking = ",".join(map(str, behind(base)))
        return {WITHDRAWN: int(standing.withdrawn), VERSION: version, BEHIND: lacking}


def base_directory(exec_properties: Mapping[str, Any]) -> Path:
    """The folder that holds the served versions, of Pusher's properties."""
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(exec_properties["push_destination"], destination)
    return Path(destination.filesystem.base_directory)
