"""SIGTERM as ctrl-C is: what is being done is left in order, and children end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM has come; it is not an error, which libraries would catch."""


STOPPED = (KeyboardInterrupt, Terminated)
"""What a person or a system stops a command with."""


def raise_at_sigterm() -> None:
    """Has SIGTERM raise `Terminated` in the main thread, where nothing else has it yet.

    A second one ends the process at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


@contextmanager
def stopping_raises() -> Iterator[None]:
    """Has SIGTERM and SIGINT raise one of `STOPPED` in the main thread, whoever had them before.

    A shell has what it starts in the background ignore SIGINT.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopping_deferred() -> Iterator[None]:
    """Lets what must not be half done end first: SIGTERM and ctrl-C count when it has."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [(one, signal.signal(one, lambda number, _: came.append(number))) for one in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _terminate(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Terminated
