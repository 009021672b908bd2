"""What ML Metadata knows of all runs at once: their executions, and what went in and came out."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.orchestration import PIPELINE_CONTEXT_TYPE_NAME, PIPELINE_RUN_CONTEXT_TYPE_NAME

_OUTPUT = (pb.Event.OUTPUT, pb.Event.INTERNAL_OUTPUT)
_AT_ONCE = 1000


@dataclass(frozen=True)
class Run:
    """A run that came as far as its first node.

    Attributes:
        name: Its id.
        started: When, in milliseconds since 1970.
        executions: Ids of its executions, cached ones and people's decisions included.
    """

    name: str
    started: int
    executions: frozenset[int]


@dataclass(frozen=True)
class Use:
    """An artifact that went into an execution, or came out of it.

    Attributes:
        execution: The execution's id.
        artifact: The artifact's id.
        name: As which input or output.
        output: Whether it came out.
    """

    execution: int
    artifact: int
    name: str
    output: bool


@dataclass(frozen=True)
class Lineage:
    """All runs, executions and artifacts.

    Attributes:
        runs: The oldest first.
        executions: By id.
        artifacts: By id, with the name of their type.
        uses: What links the two.
        pipelines: The name of the pipeline that an execution belongs to, by its id.
    """

    runs: tuple[Run, ...]
    executions: Mapping[int, pb.Execution]
    artifacts: Mapping[int, pb.Artifact]
    uses: tuple[Use, ...]
    pipelines: Mapping[int, str]

    def used_by(self, executions: Collection[int], *, output: bool | None = None) -> set[int]:
        """Ids of the artifacts that went into executions or came out of them.

        Args:
            executions: Their ids.
            output: Only what came out, only what went in, or None for both.
        """
        return {
            use.artifact
            for execution in executions
            for use in self._by_execution.get(execution, ())
            if output in (None, use.output)
        }

    def makers(self, artifact: int) -> set[int]:
        """Ids of the executions that an artifact came out of, cached ones included."""
        return {use.execution for use in self._by_artifact.get(artifact, ()) if use.output}

    def users(self, artifact: int, name: str) -> set[int]:
        """Ids of the executions that an artifact went into under an input's name."""
        found = self._by_artifact.get(artifact, ())
        return {use.execution for use in found if not use.output and use.name == name}

    def live(self, kind: str) -> Iterator[pb.Artifact]:
        """The live artifacts of a type, the oldest first."""
        for identity in sorted(self.artifacts):
            artifact = self.artifacts[identity]
            if artifact.type == kind and artifact.state == pb.Artifact.LIVE:
                yield artifact

    def pipeline_of(self, artifact: int) -> str:
        """The name of the pipeline that made an artifact."""
        names = (self.pipelines.get(maker) for maker in sorted(self.makers(artifact)))
        return next((name for name in names if name), "")

    @cached_property
    def _by_execution(self) -> dict[int, list[Use]]:
        return _grouped(self.uses, lambda use: use.execution)

    @cached_property
    def _by_artifact(self) -> dict[int, list[Use]]:
        return _grouped(self.uses, lambda use: use.artifact)


def _grouped(uses: Iterable[Use], key: Callable[[Use], int]) -> dict[int, list[Use]]:
    found: dict[int, list[Use]] = {}
    for use in uses:
        found.setdefault(key(use), []).append(use)
    return found


def read_lineage(store: mlmd.MetadataStore) -> Lineage:
    """Reads everything.

    Args:
        store: ML Metadata.

    Returns:
        What it holds.
    """
    # In this order, as others may write meanwhile: what an earlier answer names, a later one holds.
    known = {kind.name for kind in store.get_context_types()}
    runs = tuple(_runs(store)) if PIPELINE_RUN_CONTEXT_TYPE_NAME in known else ()
    pipelines = {
        execution.id: str(context.name)
        for context in (
            store.get_contexts_by_type(PIPELINE_CONTEXT_TYPE_NAME)
            if PIPELINE_CONTEXT_TYPE_NAME in known
            else ()
        )
        for execution in store.get_executions_by_context(context.id)
    }
    executions = {execution.id: execution for execution in store.get_executions()}
    uses = tuple(_uses(store, sorted(executions)))
    artifacts = {artifact.id: artifact for artifact in store.get_artifacts()}
    return Lineage(runs, executions, artifacts, uses, pipelines)


def _runs(store: mlmd.MetadataStore) -> Iterator[Run]:
    contexts = store.get_contexts_by_type(PIPELINE_RUN_CONTEXT_TYPE_NAME)
    for context in sorted(contexts, key=lambda one: (one.create_time_since_epoch, one.id)):
        executions = store.get_executions_by_context(context.id)
        if executions:
            yield Run(
                str(context.name),
                int(context.create_time_since_epoch),
                frozenset(execution.id for execution in executions),
            )


def _uses(store: mlmd.MetadataStore, executions: list[int]) -> Iterator[Use]:
    for start in range(0, len(executions), _AT_ONCE):
        for event in store.get_events_by_execution_ids(executions[start : start + _AT_ONCE]):
            name = next((step.key for step in event.path.steps if step.HasField("key")), "")
            yield Use(event.execution_id, event.artifact_id, str(name), event.type in _OUTPUT)
