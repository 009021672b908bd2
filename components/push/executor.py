"""TFX's Pusher, made atomic: a version folder appears whole, or it does not appear."""

import logging
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import executor
from tfx.types import artifact_utils

from components.evaluate.report.card import ModelCard
from components.evaluate.report.files import page_digest
from components.evaluate.verdict import WITHDRAWN
from components.push.driver import base_directory
from components.push.extras import Origin, add_extras, decided_now
from components.push.place import version_for, version_in_place
from components.push.publishing import publish
from components.push.pushed import WAITING, Push, describe
from components.push.versions import copy_whole

_LOG = logging.getLogger(__name__)


class AtomicPushExecutor(executor.Executor):
    """Copies a blessed model under a name that no server reads, then renames it.

    The version is the second in which the model was made. Where a higher one is there meanwhile,
    which is the one that is served, the model gets a version above that. A version says which model
    it is, so pushing the one that is served again, after a kill for instance, finds it in place.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if it is blessed, not withdrawn, and need not be approved first.

        Args:
            input_dict: `model`, its blessings, and its `report`.
            output_dict: `pushed_model`.
            exec_properties: `push_destination`, JSON of a PushDestination with a base directory,
                `push`: `auto` or `after_review`, and `withdrawn`, the driver's answer. Its other
                answers are for TFX's cache alone.

        Raises:
            BucketError: The version is served from the folder, but a bucket that is to hold it,
                too, could not be written.
        """
        self._push(input_dict, output_dict, exec_properties)
        publish(base_directory(exec_properties), _LOG.info)

    def _push(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        blessed = self.CheckBlessing(input_dict)
        withdrawn = bool(exec_properties[WITHDRAWN])
        base = base_directory(exec_properties)
        model = artifact_utils.get_single_instance(input_dict["model"]).mlmd_artifact
        served = version_in_place(base, model) is not None
        why_not = _why_not(
            exec_properties["push"], blessed=blessed, withdrawn=withdrawn, served=served
        )
        if why_not is not None:
            describe(Path(pushed.uri), None, None, why_not=why_not)
            self._MarkNotPushed(pushed)
            pushed.set_int_custom_property(WAITING, int(blessed and not withdrawn))
            pushed.set_int_custom_property(WITHDRAWN, int(withdrawn))
            _LOG.info("not pushed: %s", why_not)
            return
        version = str(version_for(base, model))
        describe(Path(pushed.uri), base / version, version)
        if not served:
            execution = Path(pushed.uri).name
            origin = Origin(
                model=model.id,
                execution=int(execution) if execution.isdigit() else 0,
                made=model.create_time_since_epoch,
            )
            report = Path(artifact_utils.get_single_uri(input_dict["report"]))
            decision = decided_now(
                "pushed", "Every threshold is met.", page_digest(report), version
            )
            extras = add_extras(ModelCard.read(report).decided(decision), report, origin)
            copy_whole(Path(self.GetModelPath(input_dict)), base / version, extras)
        self._MarkPushed(pushed, pushed_destination=str(base / version), pushed_version=version)
        _LOG.info("pushed version %s", version)


def _why_not(push: Push, *, blessed: bool, withdrawn: bool, served: bool) -> str | None:
    """Why a model is not pushed, or None where it is."""
    if not blessed:
        return "it was refused"
    if withdrawn:
        return "a person decided against it"
    return "it waits for review" if push == "after_review" and not served else None
