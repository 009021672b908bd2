"""ML Metadata's database: where it is, opening it, and waiting for it while it is away."""

import logging
import socket
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import ml_metadata as mlmd
from ml_metadata.errors import StatusError
from ml_metadata.proto import metadata_store_pb2 as pb
from ml_metadata.proto import metadata_store_service_pb2 as service_pb
from tenacity import (
    RetryCallState,
    Retrying,
    retry,
    retry_if_exception_message,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from components.errors import PipelineError, UsageError
from pipeline.portable import PortablePaths
from pipeline.work import Work

PATIENCE = 300.0
"""Seconds that work which has begun waits for the database: long enough for its pod to be started
again on another machine."""

_CONNECT_SECONDS = 10.0
_CREATE_SECONDS = 60.0
"""How long another process may take to make the tables of an empty database."""
_LONGEST_WAIT = 10.0
"""Seconds between two tries, at most; the first are closer together."""
_REFUSED = ("connection pointer is NULL", "mysql_real_connect failed")
"""All that the C++ client says where a server that answers does not let it in."""
_PROTOCOL = 3 << 16
"""PostgreSQL's protocol, version 3.0."""
_PASSING = ("53", "57P")
"""How PostgreSQL's error codes begin (SQLSTATE, its manual's appendix A) where it has no room for
one more connection, is starting, or is being stopped."""

_SERVERS = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql"}

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


def connection_config(url: str | None, work: Work) -> pb.ConnectionConfig:
    """Says how to connect to ML Metadata.

    Args:
        url: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, the same with `mysql://`, or None for
            SQLite in the work folder.
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
        port = parts.port
    except ValueError as error:
        # What stands there may be half a password, and is not repeated.
        raise UsageError(
            "The port in the --metadata URL is not a number; in a password, write : / ? # @ as "
            "%3A %2F %3F %23 %40."
        ) from error
    kind = _SERVERS.get(parts.scheme)
    if kind is None or not parts.hostname or len(parts.path) < 2:
        raise UsageError(
            "--metadata takes postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or the same with "
            "mysql://; without it, SQLite in the work folder is used."
        )
    if parts.query or parts.fragment:
        raise UsageError(
            "The --metadata URL must end with the database's name: leave out what follows it, "
            "which would be ignored. ML Metadata's client for PostgreSQL has no TLS, whatever "
            "sslmode says; if you do not trust the network, use a tunnel. In a password, write ? "
            "and # as %3F and %23."
        )
    server: Any = getattr(config, kind)
    if kind == "mysql":
        server.port, server.database = port or 3306, parts.path[1:]
    else:
        server.port, server.dbname = str(port or 5432), parts.path[1:]
    server.host = parts.hostname
    server.user, server.password = unquote(parts.username or ""), unquote(parts.password or "")
    return config


class DatabaseAwayError(PipelineError):
    """The database does not answer now; it may do so later."""


class Store(mlmd.MetadataStore):
    """A store that answers in the order of the ids it is asked for, and outlives its connection.

    ML Metadata promises no order, and PostgreSQL keeps none; TFX's cache pairs the answers with its
    questions by position all the same, and would mix up a component's outputs.

    The C++ client never opens a lost connection again. Here it is opened anew, and what was asked
    is asked once more: the server has undone what was not committed. Where the connection is lost
    in the very moment of a commit, what it wrote may be there twice, as an execution that stays
    open, which the end of the run closes.

    In SQLite, paths below the work folder are recorded without the folder's own, and read with the
    one that it has now. A server's database may be shared by several folders and machines, and is
    told the paths as they are.

    Attributes:
        paths: What changes them; None for a server.
    """

    def __init__(self, config: pb.ConnectionConfig, patience: float = 0.0) -> None:
        """Connects once.

        Args:
            config: ML Metadata's connection configuration.
            patience: Seconds to wait for a server that was lost.
        """
        super().__init__(config)
        self.paths = (
            PortablePaths(Path(config.sqlite.filename_uri).parent)
            if config.HasField("sqlite")
            else None
        )
        self._patience = patience
        self._lost = False

    def get_artifacts_by_id(self, artifact_ids: Iterable[int], **options: Any) -> list[pb.Artifact]:
        """Artifacts, in the order of their ids here; those that are not there are left out."""
        ids = list(artifact_ids)
        return _in_order(ids, super().get_artifacts_by_id(ids, **options))

    def get_artifact_types_by_id(
        self, type_ids: Iterable[int], **options: Any
    ) -> list[pb.ArtifactType]:
        """Types, in the order of their ids here; those that are not there are left out."""
        ids = list(type_ids)
        return _in_order(ids, super().get_artifact_types_by_id(ids, **options))

    def _call(self, method: str, request: Any, response: Any, *more: Any, **options: Any) -> None:
        def ask() -> None:
            if self._lost:
                self._connect_again()
            try:
                super(Store, self)._call(method, request, response, *more, **options)
            except StatusError as error:
                if not self._is_lost():
                    raise
                self._lost = True
                raise DatabaseAwayError(
                    f"The connection to the metadata database {place(self._config)} was lost."
                ) from error

        if self.paths is None:
            waiting(ask, self._patience)
            return
        self.paths.record(request)
        ask()
        self.paths.read(response)

    def _is_lost(self) -> bool:
        """Whether the connection is gone: not even what every database can say is answered.

        The words of the error do not tell: they are in the server's language, or missing.
        """
        if self._config.HasField("sqlite"):
            return False
        try:
            self._call_method(
                "GetContextTypes",
                service_pb.GetContextTypesRequest(),
                service_pb.GetContextTypesResponse(),
            )
        except StatusError:
            return True
        return False

    def _connect_again(self) -> None:
        _knock(self._config)
        try:
            super().__init__(self._config)
        except Exception as error:  # of many kinds; it let this process in before
            raise _away(self._config, "it refuses the connection") from error
        self._lost = False


def _in_order(ids: list[int], answers: Iterable[Any]) -> list[Any]:
    found = {one.id: one for one in answers}
    return [found[identity] for identity in ids if identity in found]


def connect(config: pb.ConnectionConfig, patience: float = 0.0) -> Store:
    """Opens the store.

    Args:
        config: ML Metadata's connection configuration.
        patience: Seconds to wait for a server that is away, now and whenever it is lost later.

    Returns:
        The store.

    Raises:
        DatabaseAwayError: The server does not answer, or not in that time.
        PipelineError: It answers, and does not let us in; or the file is no database.
    """
    return waiting(lambda: _open(config, patience), patience)


def waiting(work: Callable[[], _T], patience: float) -> _T:
    """Does what needs the database, and does it again while that is away.

    Args:
        work: What to do; it raises DatabaseAwayError.
        patience: Seconds after which it is given up.

    Returns:
        What it returns.

    Raises:
        DatabaseAwayError: The database is still away.
    """

    def say(state: RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome:
            _LOG.warning("%s Waiting for it, %.0f s at most.", state.outcome.exception(), patience)

    return Retrying(
        retry=retry_if_exception_type(DatabaseAwayError),
        stop=stop_after_delay(patience),
        wait=wait_exponential(0.5, max=_LONGEST_WAIT),
        before_sleep=say,
        reraise=True,
    )(work)


def place(config: pb.ConnectionConfig) -> str:
    """Where a database is, without the password."""
    if config.HasField("sqlite"):
        return str(config.sqlite.filename_uri)
    server = _server(config)
    database = config.mysql.database or config.postgresql.dbname
    return f"{server.host}:{server.port}/{database}"


def _server(config: pb.ConnectionConfig) -> Any:
    return config.mysql if config.HasField("mysql") else config.postgresql


def _open(config: pb.ConnectionConfig, patience: float) -> Store:
    _knock(config)
    try:
        return _made(config, patience)
    except Exception as error:  # the C++ client raises many kinds
        _knock(config)  # it may have gone in between
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if any(words in reason for words in _REFUSED):
            reason = "the server refuses the user or the password, so check both in the URL."
        elif "permission denied to create database" in reason:
            reason = "there is no such database, and this user may not create one: check its name."
        raise PipelineError(
            f"The metadata database {place(config)} cannot be opened: {reason}"
        ) from error


@retry(
    retry=retry_if_exception_message(match="(?s).*(already exists|Please retry the connection)"),
    stop=stop_after_delay(_CREATE_SECONDS),
    wait=wait_random(0.1, 0.5),
    reraise=True,
)
def _made(config: pb.ConnectionConfig, patience: float) -> Store:
    """A store; of two processes that find an empty database, one makes the tables."""
    return Store(config, patience)


def _knock(config: pb.ConnectionConfig) -> None:
    """Finds out whether a server takes connections, which the C++ client does not tell.

    Raises:
        DatabaseAwayError: It does not, now.
    """
    if config.HasField("sqlite"):
        return
    server = _server(config)
    try:
        with socket.create_connection((server.host, int(server.port)), _CONNECT_SECONDS) as opened:
            said = _greeted(opened, server) if config.HasField("postgresql") else ""
    except OSError as error:
        said = error.strerror or str(error)
    if said:
        raise _away(config, said)


def _away(config: pb.ConnectionConfig, reason: str) -> DatabaseAwayError:
    return DatabaseAwayError(
        f"The metadata database {place(config)} cannot be opened: {reason}; check --metadata, and "
        "that the server is running."
    )


def _greeted(opened: socket.socket, server: Any) -> str:
    """Begins PostgreSQL's protocol, and returns why it does not go on; nothing where it may.

    See "Message Formats" in PostgreSQL's manual: StartupMessage, ErrorResponse.
    """
    words = ("user", server.user, "database", server.dbname, "")
    body = struct.pack("!i", _PROTOCOL) + b"".join(f"{word}\0".encode() for word in words)
    opened.sendall(struct.pack("!i", 4 + len(body)) + body)
    with opened.makefile("rb") as answer:
        head = answer.read(5)
        if len(head) < 5:
            return "the connection was closed at once"
        kind, length = struct.unpack("!ci", head)
        if kind != b"E":
            return ""
        fields = {
            field[:1]: field[1:].decode("utf-8", "replace")
            for field in answer.read(length - 4).split(b"\0")
        }
    return fields.get(b"M", "") if fields.get(b"C", "").startswith(_PASSING) else ""
