"""Which gRPC requests are taken: every one, until the server is to end.

gRPC's own stop cancels the calls that have reached it and that nobody has taken yet, so a client
would read CANCELLED of a request that only came too late. The server therefore stops in steps:
new requests are refused as UNAVAILABLE while those in flight end; then they are held, until no
client has one on its way; then gRPC is stopped, which tells the clients to leave; and only then
are those held refused.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from serving.server.errors import Code, StatusError

_STEP_SECONDS = 0.02
_QUIET_STEPS = 10
"""Without a new request in so many steps, none lies untaken in gRPC.

Steps, and not seconds: in each the event loop takes what has come, on a busy machine as well.
"""
_MOST_STEPS = 100
"""How long quiet is waited for: new clients may come again and again."""

T = TypeVar("T")


class Admission:
    """Counts the requests in flight, and refuses new ones once it is closed."""

    def __init__(self) -> None:
        self._open = True
        self._refusing = asyncio.Event()
        self._in_flight = 0
        self._come = 0

    async def run(self, request: Coroutine[Any, Any, T]) -> T:
        """Answers a request, or raises UNAVAILABLE if the server is ending."""
        self._come += 1
        if not self._open:
            request.close()
            await self._refusing.wait()
            raise StatusError(Code.UNAVAILABLE, "The server is shutting down.")
        self._in_flight += 1
        try:
            return await request
        finally:
            self._in_flight -= 1

    def close(self) -> None:
        """Refuses every request from now on."""
        self._open = False
        self._refusing.set()

    async def drained(self, seconds: float) -> bool:
        """Waits until what is in flight has ended and nothing new is on its way.

        If so, requests are held from then on, until `close` is called again. If not all has ended
        after so many seconds, it waits no more and says False.
        """
        now = asyncio.get_running_loop().time
        end = now() + seconds
        while self._in_flight and now() < end:
            await asyncio.sleep(_STEP_SECONDS)
        if self._in_flight:
            return False
        self._refusing.clear()
        quiet = steps = 0
        while quiet < _QUIET_STEPS and steps < _MOST_STEPS and now() < end:
            come = self._come
            await asyncio.sleep(_STEP_SECONDS)
            quiet = quiet + 1 if self._come == come else 0
            steps += 1
        return True
