"""Which images a model was made with, as ML Metadata's records have it."""

import hashlib
import json
from collections.abc import Callable, Collection
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.types import standard_artifacts

from components.ingest.artifacts import SplitAssignment

_CUSTOM_CONFIG = "custom_config"
"""The Trainer's property with its recipe, and the digest of the weights that it began with."""
_WEIGHTS = ("model.h5", "model.keras")
"""Files of a model that another one may begin with."""
_Step = Callable[[Collection[int]], Collection[int]]


def executions_behind(artifact: int, makers: _Step, inputs: _Step) -> set[int]:
    """Follows an artifact back to where it began.

    Args:
        artifact: Its id.
        makers: From artifacts to the executions that they came out of.
        inputs: From executions to the artifacts that went in.

    Returns:
        All executions that had a part in it, the first ones included.
    """
    found: set[int] = set()
    artifacts, followed = {artifact}, set[int]()
    while artifacts:
        followed |= artifacts
        new = set(makers(artifacts)) - found
        found |= new
        artifacts = (set(inputs(new)) if new else set()) - followed
    return found


def splits_behind(store: mlmd.MetadataStore, model_id: int) -> set[int]:
    """Finds the splits whose train and eval images a model was made with, deleted ones included.

    Where it began with the weights of another model that is still there, that one's splits are
    among them.

    Args:
        store: ML Metadata.
        model_id: The model.

    Returns:
        Ids of SplitAssignments; none where there is no record of them.
    """

    def makers(artifacts: Collection[int]) -> set[int]:
        events = store.get_events_by_artifact_ids(list(artifacts))
        return {one.execution_id for one in events if one.type == pb.Event.OUTPUT}

    def inputs(executions: Collection[int]) -> set[int]:
        events = store.get_events_by_execution_ids(list(executions))
        given = {one.artifact_id for one in events if one.type == pb.Event.INPUT}
        return given | _began_with(store, executions)

    behind = executions_behind(model_id, makers, inputs)
    if not behind:
        return set()
    events = store.get_events_by_execution_ids(list(behind))
    made = {one.artifact_id for one in events if one.type == pb.Event.OUTPUT}
    return {
        artifact.id
        for artifact in store.get_artifacts_by_id(list(made))
        if artifact.type == SplitAssignment.TYPE_NAME
    }


def _began_with(store: mlmd.MetadataStore, executions: Collection[int]) -> set[int]:
    """The models whose files some trainings took their first weights from."""
    digests = set()
    for execution in store.get_executions_by_id(list(executions)):
        for properties in (execution.custom_properties, execution.properties):
            if _CUSTOM_CONFIG in properties:
                config = json.loads(properties[_CUSTOM_CONFIG].string_value or "null")
                digests.add((config or {}).get("weights"))
    if not digests - {None, ""}:
        return set()
    return {
        model.id
        for model in store.get_artifacts_by_type(standard_artifacts.Model.TYPE_NAME)
        for file in map(Path(model.uri).joinpath, _WEIGHTS)
        if file.is_file() and _digest(file) in digests
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
