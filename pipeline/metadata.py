"""ML Metadata: what a run recorded in it, and what a killed run left half done."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.errors import PipelineError, UsageError
from components.push.pushed import PUSHED_DESTINATION
from pipeline.database import connect, connection_config
from pipeline.orchestration import NODE_CONTEXT_TYPE_NAME, PIPELINE_RUN_CONTEXT_TYPE_NAME, Metadata
from pipeline.work import Work

_UNFINISHED = (pb.Execution.NEW, pb.Execution.RUNNING)
SUCCESSFUL = (pb.Execution.COMPLETE, pb.Execution.CACHED)
"""The states of executions whose outputs can be used."""


class MetadataHandle(Metadata):
    """TFX's handle on ML Metadata, with a store of ours."""

    def __init__(self, config: pb.ConnectionConfig, patience: float = 0.0) -> None:
        """Opens nothing yet.

        Args:
            config: ML Metadata's connection configuration.
            patience: Seconds to wait for a server that is away.
        """
        super().__init__(config)
        self._patience = patience

    def __enter__(self) -> "MetadataHandle":
        """Opens the store.

        Raises:
            PipelineError: It cannot be reached or opened.
        """
        self._store = connect(self._connection_config, self._patience)
        self._users += 1
        return self


def open_records(url: str | None, work: Work) -> mlmd.MetadataStore:
    """Connects to what runs have recorded; nothing is made where there is none.

    Args:
        url: As for `connection_config`.
        work: The work folder.

    Returns:
        The store.

    Raises:
        PipelineError: No run was recorded there, or the database cannot be opened.
    """
    if url is None and not work.metadata.is_file():
        raise UsageError(
            f"No run was recorded in {work.root}: start one with `mri run`, or name another folder "
            "with --work."
        )
    return connect(connection_config(url, work))


def execution_state(store: mlmd.MetadataStore, execution_id: int) -> int:
    """The last known state of an execution, a `pb.Execution.State`."""
    [execution] = store.get_executions_by_id([execution_id])
    return int(execution.last_known_state)


def outputs(store: mlmd.MetadataStore, execution_id: int) -> dict[str, list[pb.Artifact]]:
    """What an execution put out, cached or not.

    Args:
        store: The metadata store.
        execution_id: The execution.

    Returns:
        Artifacts by output name.
    """
    return _artifacts(store, execution_id, (pb.Event.OUTPUT, pb.Event.INTERNAL_OUTPUT))


def inputs(store: mlmd.MetadataStore, execution_id: int) -> dict[str, list[pb.Artifact]]:
    """What an execution took in.

    Args:
        store: The metadata store.
        execution_id: The execution.

    Returns:
        Artifacts by input name.
    """
    return _artifacts(store, execution_id, (pb.Event.INPUT, pb.Event.INTERNAL_INPUT))


def _artifacts(
    store: mlmd.MetadataStore, execution_id: int, kinds: tuple[int, ...]
) -> dict[str, list[pb.Artifact]]:
    names: dict[int, str] = {}
    for event in store.get_events_by_execution_ids([execution_id]):
        if event.type in kinds:
            names[event.artifact_id] = next(
                step.key for step in event.path.steps if step.HasField("key")
            )
    found: dict[str, list[pb.Artifact]] = {}
    for artifact in store.get_artifacts_by_id(list(names)):
        found.setdefault(names[artifact.id], []).append(artifact)
    return found


def run_executions(store: mlmd.MetadataStore, run_id: str) -> list[tuple[str, pb.Execution]]:
    """The executions of a run.

    Args:
        store: The metadata store.
        run_id: The run, which need not have begun.

    Returns:
        The nodes' names with their executions, the oldest first.
    """
    run = store.get_context_by_type_and_name(PIPELINE_RUN_CONTEXT_TYPE_NAME, run_id)
    found = sorted(
        store.get_executions_by_context(run.id) if run else (), key=lambda execution: execution.id
    )
    return [(node, execution) for execution in found if (node := _node_of(store, execution))]


def _node_of(store: mlmd.MetadataStore, execution: pb.Execution) -> str:
    """The node that an execution is of; nothing for what people decided."""
    contexts = store.get_contexts_by_execution(execution.id)
    names = (str(context.name) for context in contexts if context.type == NODE_CONTEXT_TYPE_NAME)
    return next(names, "").rpartition(".")[2]


def abandon(
    store: mlmd.MetadataStore, run_ids: Iterable[str], work: Work, node_id: str | None = None
) -> list[str]:
    """Closes the executions that killed runs left open, and removes what they had half written.

    Args:
        store: The metadata store.
        run_ids: Runs that did not come to their end.
        work: The work folder that they wrote to.
        node_id: One node, where others of the same run may still be at work; None for all.

    Returns:
        Names of the nodes that had been cut off.
    """
    cut_off = []
    for run_id in run_ids:
        for node, execution in run_executions(store, run_id):
            if execution.last_known_state in SUCCESSFUL or node_id not in (None, node):
                continue
            if close(store, execution):
                cut_off.append(node)
            # A second attempt takes over the first one's execution, which has failed by then.
            for leftover in work.artifacts.glob(f"{node}/**/{execution.id}"):
                shutil.rmtree(leftover, ignore_errors=True)
    return cut_off


def close(store: mlmd.MetadataStore, execution: pb.Execution) -> bool:
    """Records that an execution has failed, where it was left open; says whether it was."""
    if execution.last_known_state not in _UNFINISHED:
        return False
    execution.last_known_state = pb.Execution.FAILED
    store.put_executions([execution])
    return True


def forget_missing(store: mlmd.MetadataStore, work: Work, node: str | None = None) -> int:
    """Marks artifacts as deleted whose files are gone, so that the cache does not answer with them.

    Args:
        store: The metadata store.
        work: The work folder; artifacts elsewhere are left alone.
        node: `PIPELINE.NODE`, whose artifacts alone are looked at; None for all.

    Returns:
        How many were marked.

    Raises:
        PipelineError: Whether something is there cannot be told now: that it is away for a while
            must not be recorded for good.
    """
    if node is None:
        artifacts = store.get_artifacts()
    else:
        context = store.get_context_by_type_and_name(NODE_CONTEXT_TYPE_NAME, node)
        artifacts = store.get_artifacts_by_context(context.id) if context else []
    missing = [
        artifact
        for artifact in artifacts
        if artifact.state == pb.Artifact.LIVE
        and any(path.is_relative_to(work.root) and _is_gone(path) for path in _files(artifact))
    ]
    for artifact in missing:
        artifact.state = pb.Artifact.DELETED
    store.put_artifacts(missing)
    return len(missing)


def _is_gone(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        raise PipelineError(
            f"Whether {path} exists cannot be checked now ({error.strerror}): run again when it "
            "can be reached."
        ) from error
    return False


def _files(artifact: pb.Artifact) -> Iterator[Path]:
    """Where an artifact lies, and for a pushed model where it was pushed to."""
    yield Path(artifact.uri)
    if pushed := artifact.custom_properties[PUSHED_DESTINATION].string_value:
        yield Path(pushed)
