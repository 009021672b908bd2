"""How long a batch waits for the clients that the one before it has just answered.

Clients that ask again as soon as they have an answer come back in the moment after their batch. If
the next batch were cut at once it would hold only who waited meanwhile, and theirs would be the
rest: small batches and large ones by turns, for ever, and a small batch costs more an image. So the
next batch waits a moment, if it has room, for as many as were answered. Where they do not come
back, batches soon wait no more, and try it again now and then.
"""

from collections.abc import Callable, Hashable

_SHARE = 0.05
"""Of the last batch's run time, is waited at most."""
_MOST_SECONDS = 0.025
_LEAST_SECONDS = 0.002
"""A shorter wait is not worth its timer: the event loop counts in milliseconds."""
_MOST_SKIPPED = 32


class Refill:
    """Knows whether the clients of the last batch are worth waiting for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Waits for nobody yet. The clock says what time it is, in seconds."""
        self._clock = clock
        self._queue: Hashable = None
        self._had = self._hoped = 0
        self._until = 0.0
        self._failed = self._skip = 0

    def ended(self, queue: Hashable, answered: int, waiting: int, seconds: float) -> None:
        """Takes note that a queue's batch has ended: requests in both, and how long it ran."""
        self._queue = None
        patience = min(_SHARE * seconds, _MOST_SECONDS)
        if answered + waiting < 2 or patience < _LEAST_SECONDS:
            return
        if self._skip:
            self._skip -= 1
            return
        self._queue, self._had, self._hoped = queue, waiting, waiting + answered
        self._until = self._clock() + patience

    def until(self, queue: Hashable, waiting: int) -> float:
        """Until when the batch of a queue of so many requests waits, by the clock."""
        return self._until if queue == self._queue and waiting < self._hoped else 0.0

    def cut(self, queue: Hashable, waiting: int, since: float) -> None:
        """Takes note of a batch that begins: requests that waited, the first of them since when."""
        if queue != self._queue:
            return
        self._queue = None
        if 2 * (waiting - self._had) >= self._hoped - self._had:
            self._failed = 0
        elif since < self._until <= self._clock():
            self._failed += 1
            self._skip = min(2**self._failed, _MOST_SKIPPED)
