"""Where what clients send is read, and what they get is written: beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

SMALL = 2**16
"""Bytes up to which the event loop converts by itself: a thread would take longer to wake up.

Of the worst text (a digit, a comma) it reads so much in 10 ms, of the worst message in 5 ms.
"""
_LARGE = 2**22
"""Bytes above which one is converted after the other, apart from the rest: such a text may take a
gigabyte for a moment."""

T = TypeVar("T")


class Conversion:
    """Threads that convert, and do nothing else: nobody who loads or looks waits for them."""

    def __init__(self) -> None:
        """Starts no thread yet."""
        # More threads would gain nothing: they take turns with the event loop.
        self._one, self._large = (ThreadPoolExecutor(1, name) for name in ("convert", "large"))
        self._begun: set[Future[Any]] = set()

    @property
    def busy(self) -> bool:
        """Whether anything is converted, for somebody who may have gone."""
        return bool(self._begun)

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Does work here if the bytes that it reads or makes are few, and else in a thread."""
        if size <= SMALL:
            return work()
        future = (self._large if size > _LARGE else self._one).submit(work)
        self._begun.add(future)
        future.add_done_callback(self._begun.discard)
        return await asyncio.wrap_future(future)
