"""Pushes that were cut off between the appearance of their version and its record."""

from collections.abc import Callable

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.evaluate.standing import of_type
from components.properties import text_of
from components.push.extras import Origin, origin_of
from components.push.pushed import PUSHED_DESTINATION, describe
from pipeline import node_ids
from pipeline.decisions.journal import PUSHED, record
from pipeline.orchestration import PushedModel
from pipeline.work import Work


def finish_pushes(store: mlmd.MetadataStore, work: Work, say: Callable[[str], None]) -> None:
    """Records the pushes that were cut off behind the appearance of their version.

    Args:
        store: ML Metadata.
        work: The work folder, held so that nobody else pushes there.
        say: Is told what was finished.
    """
    recorded = {text_of(one, PUSHED_DESTINATION) for one in of_type(store, PushedModel.TYPE_NAME)}
    for version in sorted(work.serving.glob("*/[0-9]*")):
        origin = None if str(version) in recorded else origin_of(version)
        if origin is None or not origin.execution:
            continue
        for execution in store.get_executions_by_id([origin.execution]):
            if _has_pushed(store, execution, origin):
                folder = work.artifacts / node_ids.PUSHER / PUSHED / str(execution.id)
                folder.mkdir(parents=True, exist_ok=True)
                describe(folder, version, version.name)
                contexts = store.get_contexts_by_execution(execution.id)
                record(store, execution, folder, version, contexts)
                say(f"finished a push that was cut off: {version}")


def _has_pushed(store: mlmd.MetadataStore, execution: pb.Execution, origin: Origin) -> bool:
    """Whether an execution that did not come to its end is the one that pushed a model."""
    ended = execution.last_known_state in (pb.Execution.COMPLETE, pb.Execution.CACHED)
    return not ended and any(
        event.artifact_id == origin.model
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type == pb.Event.INPUT and event.path.steps[0].key == "model"
    )
