"""The HTTP server for REST: uvicorn, with a limit to how long a client may take to ask."""

import asyncio
import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol


class _Protocol(H11Protocol):
    """A connection that is ended if its client has long not asked anything.

    A request is given up while it is answered, if it is late. The rest is here: a head that never
    ends, what is still sent of a request that has its answer, and silence on a new connection.
    """

    def __init__(self, seconds: float | None, **given: Any) -> None:
        super().__init__(**given)
        self._seconds = seconds
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel()

    def _watch(self) -> None:
        if not getattr(self.cycle, "response_complete", True):  # something is answered
            self._cancel()
        elif self._end is None and self._seconds:
            self._end = self.loop.call_later(self._seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._end:
            self._end.cancel()
            self._end = None


class RestServer(uvicorn.Server):
    """Uvicorn, with the signals left to us."""

    def __init__(self, app: Starlette, timeout: float | None, drain_seconds: int) -> None:
        """Does not listen yet.

        Args:
            app: What answers.
            timeout: Seconds that a client may take to ask; None: any time.
            drain_seconds: What requests in flight have when the server ends.
        """
        config = uvicorn.Config(
            app,
            http=cast("type[H11Protocol]", partial(_Protocol, timeout)),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=drain_seconds,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes no signal."""
        yield
