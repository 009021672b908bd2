"""Pushes that were cut off after their version appeared and before it was recorded."""

from collections.abc import Callable
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.evaluate.standing import of_type
from components.properties import text_of
from components.push.extras import origin_of
from components.push.place import is_version_of
from components.push.pushed import PUSHED_DESTINATION, describe
from components.push.versions import is_version
from pipeline import node_ids
from pipeline.decisions.journal import PUSHED, record
from pipeline.orchestration import PushedModel
from pipeline.work import Work


def finish_pushes(store: mlmd.MetadataStore, work: Work, say: Callable[[str], None]) -> None:
    """Records the pushes that were cut off after their version appeared.

    Args:
        store: ML Metadata.
        work: The work folder, held so that nobody else pushes there.
        say: Is told what was finished.
    """
    recorded = {text_of(one, PUSHED_DESTINATION) for one in of_type(store, PushedModel.TYPE_NAME)}
    for version in sorted(work.serving.glob("*/[0-9]*")):
        if not is_version(version.name):
            continue
        origin = None if str(version) in recorded else origin_of(version)
        if origin is None or not origin.execution:
            continue
        for execution in store.get_executions_by_id([origin.execution]):
            if _has_pushed(store, execution, version, origin.model):
                folder = work.artifacts / node_ids.PUSHER / PUSHED / str(execution.id)
                folder.mkdir(parents=True, exist_ok=True)
                describe(folder, version, version.name)
                contexts = store.get_contexts_by_execution(execution.id)
                record(store, execution, folder, version, contexts)
                say(f"finished a push that was interrupted: {version}")


def _has_pushed(
    store: mlmd.MetadataStore, execution: pb.Execution, version: Path, model_id: int
) -> bool:
    """Whether an execution that did not come to its end is the one that pushed a version."""
    if execution.last_known_state in (pb.Execution.COMPLETE, pb.Execution.CACHED):
        return False
    if not any(is_version_of(version, one) for one in store.get_artifacts_by_id([model_id])):
        return False
    return any(
        event.artifact_id == model_id
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type == pb.Event.INPUT and event.path.steps[0].key == "model"
    )
