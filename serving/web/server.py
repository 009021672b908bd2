"""waitress, told in Python: one process, as limits and metrics are kept in its memory.

One loop receives all requests and sends all answers, whatever their pace. A thread works on a
request when all of it is there, and is done when the answer is handed over. What waitress leaves
open is closed here: it keeps nothing on a disk, bounds the memory of all requests together, ends
connections on which too little moves, and has the application answer what it refuses.
"""

import logging
import math
import resource
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from traceback import extract_tb
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

from components.errors import PipelineError
from serving.web.requests import REFUSED
from serving.web.state import state_of

_LOG = logging.getLogger(__name__)

_THREADS = 32
"""More than work on images at once: others wait for their turn, and forms are given out."""
_MOST_CONNECTIONS = 500
"""Open at once; others wait in the kernel's queue. A loop looks at each of them at every turn."""
_OTHER_FILES = 100
"""Descriptors for all but connections: the model server's, examples, libraries."""
_MOST_HEADER_BYTES = 32_768
"""Of one request; browsers send about 1,000."""
_REQUESTS_HELD = 5
"""Requests of the largest size that fit into the memory for all requests and answers."""
_PIECE = 1 << 16
"""Bytes that are received at a time: 600 pieces for the largest request."""
_PATIENCE, _PATIENCE_IF_FULL = 30.0, 2.0
"""Seconds over which a connection's pace is taken; the second where others have no room."""
_PACE = 5_000
"""Bytes a second: who sends or reads less is ended. A poor mobile connection has twice that."""
_MOST_DRAINED = 200_000_000
"""Bytes that are received of a refused request, as a browser shows no answer before it sent all."""
_GRACE = 10.0
"""Seconds for what is in flight when the page ends; container runtimes kill after as many."""
_NEVER = sys.maxsize
"""Bytes from which waitress would use a file."""


def listener(host: str, port: int) -> socket.socket:
    """Takes an address, so that one in use is told before all else; nothing is accepted yet.

    Args:
        host: A name or address of this machine.
        port: The port; 0: a free one.

    Returns:
        A bound socket.

    Raises:
        PipelineError: The address is in use, or is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # `localhost` is 127.0.0.1 to most proxies.
        family, kind, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        taken = socket.socket(family, kind)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(address)
        except OSError:
            taken.close()
            raise
    except OSError as error:
        raise _not_there(host, port, error) from None
    return taken


class PageServer(TcpWSGIServer):
    """Serves the page until it is told to end."""

    def __init__(self, app: Flask, listens: socket.socket) -> None:
        """Begins to listen; `run` serves.

        Args:
            app: The page.
            listens: What `listener` gave.

        Raises:
            PipelineError: Somebody else has begun to listen there.
        """
        logger = logging.getLogger("waitress")
        logger.setLevel(logging.ERROR)
        logger.addFilter(_discreet)
        most = state_of(app).config.max_request_bytes
        self._most_held, self._held = _REQUESTS_HELD * most, 0
        self._ends_by, self._over = math.inf, False
        self.channel_class = partial(_Connection, has_room=self._has_room)
        address = listens.getsockname()
        host, self.port = str(address[0]), int(address[1])
        super().__init__(
            app,
            adj=Adjustments(
                threads=_THREADS,
                connection_limit=_most_connections(),
                max_request_header_size=_MOST_HEADER_BYTES,
                max_request_body_size=most + 1,  # waitress refuses this many
                inbuf_overflow=_NEVER,
                outbuf_overflow=_NEVER,
                recv_bytes=_PIECE,
                cleanup_interval=1,
                asyncore_use_poll=True,  # select ends at the descriptor 1023
                log_socket_errors=False,
                clear_untrusted_proxy_headers=False,  # the application knows whom to believe
            ),
            sockinfo=(listens.family, listens.type, listens.proto, address),
            _sock=listens,
            _start=False,
            bind_socket=False,
        )
        try:
            self.accept_connections()
        except OSError as error:
            raise _not_there(host, self.port, error) from None

    def run(self) -> None:
        """Serves until `end` was called and what was in flight then is done, within a bound."""
        while not self._is_done():
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)
        self._over = True
        self.task_dispatcher.shutdown(timeout=0)
        wasyncore.close_all(self._map, ignore_all=True)

    def end(self, within: float = _GRACE) -> None:
        """Has `run` end; for a signal's handler and for any thread.

        Args:
            within: Seconds that what is in flight has.
        """
        self._ends_by = time.monotonic() + within
        if not self._over:
            self.pull_trigger()

    def readable(self) -> bool:
        """Whether more connections are wanted; waitress asks at each turn of its loop."""
        self._held = sum(one.held() for one in self.active_channels.values())
        return bool(super().readable())

    def maintenance(self, now: float) -> None:
        """Ends connections on which too little moves; waitress calls it every second."""
        del now  # the clock on the wall
        crowded = self.in_connection_overflow or not self._has_room()
        patience = _PATIENCE_IF_FULL if crowded else _PATIENCE
        for one in list(self.active_channels.values()):
            one.demand_pace(patience)

    def _has_room(self) -> bool:
        return self._held <= self._most_held

    def _is_done(self) -> bool:
        if self._ends_by == math.inf:
            return False
        if self.accepting:
            wasyncore.dispatcher.close(self)
        busy = any(one.in_flight() for one in self.active_channels.values())
        return not busy or time.monotonic() >= self._ends_by


class _Request(HTTPRequestParser):
    """A request as it comes in.

    Attributes:
        refused: The HTTP status of what is wrong with it, for the application; None: nothing.
    """

    # What waitress knows of a request only when it has understood it.
    command, path, query, request_uri, url_scheme = "GET", "/", "", "/", "http"
    refused: int | None = None
    error: Any
    body_rcv: Any

    def __init__(self, adj: Adjustments, has_room: Callable[[], bool]) -> None:
        super().__init__(adj)
        self._has_room = has_room

    def received(self, data: bytes) -> int:
        """Takes a piece in, and says how many of its bytes it was interested in."""
        try:
            consumed: int = super().received(data)
            self.refused = self._wrong()
        except ValueError:  # a length of 5,000 digits, half an address
            self.refused = 400
        if self.refused:
            self.error, self.completed = None, True
            self.close()
            self.body_rcv = None
            self.headers.pop("CONTENT_LENGTH", None)
        if not self.completed or self.empty:
            return consumed
        self.expect_continue = False
        # One request a connection: an idle one, or requests sent ahead, would hold answers.
        self.headers["CONNECTION"] = "close"
        return len(data)

    def _wrong(self) -> int | None:
        if self.error is not None:
            return int(self.error.code)
        if self.chunked or "TRANSFER_ENCODING" in self.headers:
            # Both lengths: what a proxy takes for the end may be another's request to us.
            return 400 if "CONTENT_LENGTH" in self.headers else 411
        if self.body_rcv is not None and not self._has_room():
            return 503
        return None


class _Task(WSGITask):
    """Has the application answer a request."""

    def get_environment(self) -> dict[str, Any]:
        """What the application learns: waitress' own, and whether the request is refused."""
        return {**super().get_environment(), REFUSED: self.request.refused}


class _Connection(HTTPChannel):
    """A connection: one request and its answer."""

    task_class = _Task

    def __init__(self, *arguments: Any, has_room: Callable[[], bool], **options: Any) -> None:
        self.parser_class = partial(_Request, has_room=has_room)
        self._answered, self._written, self._drained = False, 0, 0
        self._restart()
        super().__init__(*arguments, **options)

    def held(self) -> int:
        """Bytes of memory for the request and its answer."""
        requests = [one for one in (*self.requests, self.request) if one is not None]
        return self._written + sum(len(one.body_rcv) for one in requests if one.body_rcv)

    def in_flight(self) -> bool:
        """Whether a request has begun and is not answered yet."""
        return bool(self.requests or self.request is not None or self.total_outbufs_len)

    def demand_pace(self, patience: float) -> None:
        """Ends the connection if too little has moved, unless its request is being worked on.

        Args:
            patience: Seconds over which the pace is taken.
        """
        if self.requests:
            self._restart()
        elif (lasted := time.monotonic() - self._since) >= patience:
            if self._moved < lasted * _PACE:
                # Not closed: one whose sender is stuck would never be found writable.
                self._answered = self.will_close = True
                with suppress(OSError):
                    self.socket.shutdown(socket.SHUT_RDWR)
            self._restart()

    def recv(self, buffer_size: int) -> bytes:
        """Receives, and counts."""
        data: bytes = super().recv(buffer_size)
        self._moved += len(data)
        return data

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Sends, and counts."""
        sent: int = super().send(data, do_close)
        self._moved += sent
        return sent

    def received(self, data: bytes) -> bool:
        """Takes in a piece of the request; what comes after the answer is dropped."""
        if not self._answered:
            return bool(super().received(data))
        self._drained += len(data)
        if self._drained > _MOST_DRAINED:
            self.handle_close()
        return False

    def write_soon(self, data: Any) -> int:
        """Takes in a piece of the answer, and counts it unless it is a file."""
        if isinstance(data, bytes):
            self._written += len(data)
        return int(super().write_soon(data))

    def handle_close(self) -> None:
        """Ends the connection; after an answer the other side ends it, which may still be sending.

        The kernel would take the answer back from whoever has not read it.
        """
        if self.will_close and self.connected and not self._answered:
            self._answered, self.will_close, self._written = True, False, 0
            for sent in self.outbufs:
                sent.close()
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
            return
        super().handle_close()

    def _restart(self) -> None:
        self._since, self._moved = time.monotonic(), 0


def _not_there(host: str, port: int, error: OSError) -> PipelineError:
    reason = error.strerror or "no such address"
    return PipelineError(f"The page cannot listen on {host}:{port}: {reason}.")


def _most_connections() -> int:
    """As many as there are descriptors for: an answer may be a file, open as long as it is sent."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return min(_MOST_CONNECTIONS, max((files - _OTHER_FILES) // 2, 8))


def _discreet(record: logging.LogRecord) -> bool:
    """Leaves of what waitress logs where it went wrong: it quotes paths, addresses and traces."""
    error = sys.exc_info()[1]
    where = ""
    if error is not None and error.__traceback__ is not None:
        place = extract_tb(error.__traceback__)[-1]
        where = f": {type(error).__name__} at {place.filename}:{place.lineno}"
    record.msg, record.args, record.exc_info = f"the web server failed{where}", (), None
    return True
