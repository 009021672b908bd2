"""TFX's Pusher, made atomic: a version folder appears whole, or it does not appear."""

import logging
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from components.evaluate.report.card import ModelCard
from components.evaluate.report.files import page_digest
from components.push.extras import add_extras, decided_now
from components.push.pushed import WAITING, describe
from components.push.versions import copy_whole, next_version

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
        """Pushes the model if it is blessed and nobody has to approve it first.

        Args:
            input_dict: `model`, its blessings, and its `report`.
            output_dict: `pushed_model`.
            exec_properties: `push_destination`, JSON of a PushDestination with a base directory,
                and `push`: `auto` or `after_review`.
        """
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        blessed = self.CheckBlessing(input_dict)
        if not blessed or exec_properties["push"] == "after_review":
            describe(Path(pushed.uri), None, None, waiting=blessed)
            self._MarkNotPushed(pushed)
            pushed.set_int_custom_property(WAITING, int(blessed))
            _LOG.info("blessed, and waits for review" if blessed else "not blessed, not pushed")
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], destination)
        base = Path(destination.filesystem.base_directory)
        model = artifact_utils.get_single_instance(input_dict["model"])
        made = model.mlmd_artifact.create_time_since_epoch // 1000
        in_place = (base / str(made)).exists()
        version = str(made if in_place else next_version(base, made))
        if not in_place:
            report = Path(artifact_utils.get_single_uri(input_dict["report"]))
            decision = decided_now(
                "pushed", "Every threshold is met.", page_digest(report), version
            )
            extras = add_extras(ModelCard.read(report).decided(decision), report)
            copy_whole(Path(self.GetModelPath(input_dict)), base / version, extras)
        describe(Path(pushed.uri), base / version, version)
        self._MarkPushed(pushed, pushed_destination=str(base / version), pushed_version=version)
        _LOG.info("pushed version %s", version)
