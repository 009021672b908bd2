"""The signals that end a scheduler, as something that can be waited for."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Stop:
    """Whether a signal has asked for the end.

    Attributes:
        wakes: A descriptor that a signal writes to, so that a wait ends at once.
        signal: The signal, or None.
    """

    wakes: int
    signal: int | None = None

    def wait(self, seconds: float) -> bool:
        """Waits, at most until a signal comes; returns whether one has."""
        until = time.monotonic() + seconds
        while self.signal is None and (left := until - time.monotonic()) > 0:
            select.select([self.wakes], [], [], left)
        return self.signal is not None


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Notes SIGTERM and SIGINT instead of dying of them.

    Yields:
        What says whether one has come.

    Raises:
        KeyboardInterrupt: At the end, where it was SIGINT.
    """
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    stop = Stop(reads)

    def note(number: int, _frame: object) -> None:
        stop.signal = number
        os.write(writes, b"!")

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reads)
        os.close(writes)
    if stop.signal == signal.SIGINT:
        raise KeyboardInterrupt
