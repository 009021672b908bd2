"""TFX's Pusher, made atomic: a version folder appears whole, or it does not appear."""

import json
import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

_LOG = logging.getLogger(__name__)


class AtomicPushExecutor(executor.Executor):
    """Copies a blessed model under a name that no server reads, then renames it.

    The version is the second in which the model was made, so pushing the same model again, after
    a kill for instance, finds it in place.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if it is blessed.

        Args:
            input_dict: `model` and its blessings.
            output_dict: `pushed_model`.
            exec_properties: `push_destination`, JSON of a PushDestination with a base directory.
        """
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            _describe(Path(pushed.uri), None, None)
            self._MarkNotPushed(pushed)
            _LOG.info("not blessed, so not pushed")
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], destination)
        model = artifact_utils.get_single_instance(input_dict["model"])
        version = str(model.mlmd_artifact.create_time_since_epoch // 1000)
        folder = Path(destination.filesystem.base_directory) / version
        if not folder.exists():
            copy_whole(Path(self.GetModelPath(input_dict)), folder)
        _describe(Path(pushed.uri), folder, version)
        self._MarkPushed(pushed, pushed_destination=str(folder), pushed_version=version)
        _LOG.info("pushed version %s", version)


def _describe(artifact: Path, folder: Path | None, version: str | None) -> None:
    """Writes where the model went; the model itself is not kept a third time."""
    content = {"destination": str(folder) if folder else None, "version": version}
    (artifact / "pushed.json").write_text(json.dumps(content) + "\n", encoding="utf-8")


def copy_whole(source: Path, destination: Path) -> None:
    """Copies a folder so that its destination name only ever holds all of it.

    Args:
        source: An existing folder.
        destination: A name that does not exist yet.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    # TensorFlow Serving passes over names that are no integers.
    unfinished = destination.parent / f".{destination.name}.{uuid.uuid4().hex}"
    try:
        shutil.copytree(source, unfinished)
        for file in unfinished.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        unfinished.rename(destination)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
