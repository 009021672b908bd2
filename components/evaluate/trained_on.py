"""Which images a model was made with, as ML Metadata's records have it."""

import json
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.types import standard_artifacts

from components.errors import PipelineError
from components.ingest.artifacts import SplitAssignment
from components.properties import parameter_of, text_of
from components.trainer.weights.exported import DIGEST_PROPERTIES, WEIGHTS_PROPERTY, exported_digest

_CUSTOM_CONFIG = "custom_config"
"""The Trainer's property in which earlier versions recorded the digest of the first weights."""
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


class Beginnings:
    """Which models trainings took their first weights from, by what the weights' files hold.

    It is recorded on a model, and so known when its files are gone. Only of a model of an earlier
    version, on which it is not, a file that is there is read, once.
    """

    def __init__(self, models: Callable[[], Iterable[pb.Artifact]]) -> None:
        """Reads nothing yet.

        Args:
            models: All models that there ever were; asked where a training began with own weights.
        """
        self._models = models

    def of(self, executions: Iterable[pb.Execution]) -> set[int]:
        """Finds the models that some executions began with.

        Args:
            executions: Trainings, searches for a recipe, and others, which began with none.

        Returns:
            Ids of models, deleted ones included; those of other weights, such as ImageNet's, are
            not among them.

        Raises:
            PipelineError: A file of weights is there and cannot be read.
        """
        found: set[int] = set()
        for digest in {_weights(execution) for execution in executions} - {""}:
            recorded = self._recorded.get(digest)
            found |= recorded or self._unrecorded.get(digest, set())
        return found

    @cached_property
    def _recorded(self) -> dict[str, set[int]]:
        """Models by recorded digests."""
        return _grouped((digest, model.id) for model in self._all for digest in _digests(model))

    @cached_property
    def _unrecorded(self) -> dict[str, set[int]]:
        """Models of which no digest is recorded, by those of their files."""
        return _grouped(
            (digest, model.id)
            for model in self._all
            if not is_recorded(model)
            for name in DIGEST_PROPERTIES
            if (digest := _read(Path(model.uri, name)))
        )

    @cached_property
    def _all(self) -> list[pb.Artifact]:
        return list(self._models())


def is_recorded(model: pb.Artifact) -> bool:
    """Whether a model is known as what others began with when its files are gone."""
    return bool(_digests(model))


def splits_behind(store: mlmd.MetadataStore, model_id: int) -> set[int]:
    """Finds the splits whose train and eval images a model was made with, deleted ones included.

    Where it began with the weights of another model, that one's splits are among them.

    Args:
        store: ML Metadata.
        model_id: The model.

    Returns:
        Ids of SplitAssignments; none where there is no record of them.

    Raises:
        PipelineError: A file of weights, which it may have begun with, cannot be read.
    """
    beginnings = Beginnings(lambda: store.get_artifacts_by_type(standard_artifacts.Model.TYPE_NAME))

    def makers(artifacts: Collection[int]) -> set[int]:
        events = store.get_events_by_artifact_ids(list(artifacts))
        return {one.execution_id for one in events if one.type == pb.Event.OUTPUT}

    def inputs(executions: Collection[int]) -> set[int]:
        events = store.get_events_by_execution_ids(list(executions))
        given = {one.artifact_id for one in events if one.type == pb.Event.INPUT}
        return given | beginnings.of(store.get_executions_by_id(list(executions)))

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


def _weights(execution: pb.Execution) -> str:
    """The digest of the file of weights that a training began with, or nothing."""
    if recorded := parameter_of(execution, WEIGHTS_PROPERTY):
        return recorded
    config = json.loads(parameter_of(execution, _CUSTOM_CONFIG) or "null") or {}
    return str(config.get("weights") or "")


def _digests(model: pb.Artifact) -> set[str]:
    """What is recorded of a model's files."""
    return {text_of(model, key) for key in DIGEST_PROPERTIES.values()} - {""}


def _read(file: Path) -> str:
    """The digest of a file; nothing where it is not there."""
    try:
        return exported_digest(file)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise PipelineError(
            f"{file} cannot be read ({error.strerror}), so it is not known whether a model "
            "began with it: correct that, and run again."
        ) from error


def _grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for digest, model in pairs:
        found.setdefault(digest, set()).add(model)
    return found
