"""ML Metadata: where it is, what a run recorded in it, and what a killed run left half done."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.orchestration import metadata

from components.errors import PipelineError
from pipeline.work import Work

_UNFINISHED = (pb.Execution.NEW, pb.Execution.RUNNING)


def connection_config(url: str | None, work: Work) -> pb.ConnectionConfig:
    """Says how to connect to ML Metadata.

    Args:
        url: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, or None for SQLite in the work folder.
        work: The work folder.

    Returns:
        ML Metadata's connection configuration.

    Raises:
        PipelineError: The URL is of another form.
    """
    config = pb.ConnectionConfig()
    if url is None:
        config.sqlite.filename_uri = str(work.metadata)
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        return config
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError as error:
        raise PipelineError(f"The port in the --metadata URL is no number: {error}.") from error
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or len(parts.path) < 2:
        raise PipelineError(
            "--metadata takes postgresql://USER:PASSWORD@HOST:PORT/DATABASE; without it, SQLite in "
            "the work folder is used."
        )
    config.postgresql.host = parts.hostname
    config.postgresql.port = str(port)
    config.postgresql.user = unquote(parts.username or "")
    config.postgresql.password = unquote(parts.password or "")
    config.postgresql.dbname = parts.path[1:]
    return config


class _AlignedStore(mlmd.MetadataStore):
    """A store that answers in the order of the ids that it is asked for.

    ML Metadata promises no order, and PostgreSQL keeps none; TFX's cache pairs the answers with its
    questions by position all the same, and would mix up a component's outputs.
    """

    def get_artifacts_by_id(self, artifact_ids: Iterable[int], **options: Any) -> list[pb.Artifact]:
        ids = list(artifact_ids)
        found = {artifact.id: artifact for artifact in super().get_artifacts_by_id(ids, **options)}
        return [found[identity] for identity in ids if identity in found]

    def get_artifact_types_by_id(
        self, type_ids: Iterable[int], **options: Any
    ) -> list[pb.ArtifactType]:
        ids = list(type_ids)
        found = {kind.id: kind for kind in super().get_artifact_types_by_id(ids, **options)}
        return [found[identity] for identity in ids if identity in found]


class MetadataHandle(metadata.Metadata):
    """TFX's handle on ML Metadata, with a store that answers in order."""

    def __enter__(self) -> "MetadataHandle":
        """Opens the store.

        Raises:
            PipelineError: It cannot be reached or opened.
        """
        self._store = connect(self._connection_config)
        self._users += 1
        return self


def connect(config: pb.ConnectionConfig) -> mlmd.MetadataStore:
    """Opens the store.

    Raises:
        PipelineError: It cannot be reached or opened.
    """
    try:
        return _AlignedStore(config)
    except Exception as error:  # the C++ client raises many kinds
        kind = config.WhichOneof("config")
        where = f"{config.postgresql.host}:{config.postgresql.port}/{config.postgresql.dbname}"
        place = where if kind == "postgresql" else config.sqlite.filename_uri
        raise PipelineError(
            f"The metadata database {place} cannot be opened: {str(error).splitlines()[0]}"
        ) from error


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
    names: dict[int, str] = {}
    for event in store.get_events_by_execution_ids([execution_id]):
        if event.type in (pb.Event.OUTPUT, pb.Event.INTERNAL_OUTPUT):
            names[event.artifact_id] = next(
                step.key for step in event.path.steps if step.HasField("key")
            )
    found: dict[str, list[pb.Artifact]] = {}
    for artifact in store.get_artifacts_by_id(list(names)):
        found.setdefault(names[artifact.id], []).append(artifact)
    return found


def abandon(store: mlmd.MetadataStore, run_ids: Iterable[str], work: Work) -> list[str]:
    """Closes the executions that killed runs left open, and removes what they had half written.

    Args:
        store: The metadata store.
        run_ids: Runs that did not come to their end.
        work: The work folder that they wrote to.

    Returns:
        Names of the nodes that had been cut off.
    """
    cut_off = []
    for run_id in run_ids:
        run = store.get_context_by_type_and_name("pipeline_run", run_id)
        for execution in store.get_executions_by_context(run.id) if run else ():
            if execution.last_known_state not in _UNFINISHED:
                continue
            execution.last_known_state = pb.Execution.FAILED
            store.put_executions([execution])
            node = next(
                context.name.rpartition(".")[2]
                for context in store.get_contexts_by_execution(execution.id)
                if context.type == "node"
            )
            cut_off.append(node)
            for leftover in work.artifacts.glob(f"{node}/**/{execution.id}"):
                shutil.rmtree(leftover, ignore_errors=True)
    return cut_off


def forget_missing(store: mlmd.MetadataStore, work: Work) -> int:
    """Marks artifacts as deleted whose files are gone, so that the cache does not answer with them.

    Args:
        store: The metadata store.
        work: The work folder; artifacts elsewhere are left alone.

    Returns:
        How many were marked.
    """
    missing = [
        artifact
        for artifact in store.get_artifacts()
        if artifact.state == pb.Artifact.LIVE
        and any(path.is_relative_to(work.root) and not path.exists() for path in _files(artifact))
    ]
    for artifact in missing:
        artifact.state = pb.Artifact.DELETED
    store.put_artifacts(missing)
    return len(missing)


def _files(artifact: pb.Artifact) -> Iterator[Path]:
    """Where an artifact lies, and for a pushed model where it was pushed to."""
    yield Path(artifact.uri)
    if pushed := artifact.custom_properties["pushed_destination"].string_value:
        yield Path(pushed)
