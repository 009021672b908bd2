"""SIGTERM as ctrl-C is: what is being done is left in order, and children end."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TypeAlias


class Terminated(BaseException):
    """SIGTERM has come; it is not an error, which libraries would catch."""


Handler: TypeAlias = Callable[[int, FrameType | None], None]

STOPPED = (KeyboardInterrupt, Terminated)
"""What a person or a system stops a command with."""


def raise_at_sigterm(again: signal.Handlers = signal.SIG_DFL) -> None:
    """Has SIGTERM raise `Terminated` in the main thread, where nothing else has it yet.

    Args:
        again: What a second one does; by default it ends the process at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, partial(_terminate, again=again))


@contextmanager
def stopping_raises() -> Iterator[None]:
    """Has SIGTERM and SIGINT raise one of `STOPPED` in the main thread, whoever had them before.

    A shell has what it starts in the background ignore SIGINT.
    """
    with _handled_by(_terminate, signal.default_int_handler):
        yield


@contextmanager
def stopping_deferred() -> Iterator[None]:
    """Lets what must not be half done end first: SIGTERM and ctrl-C count when it has."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    try:
        with _handled_by(note, note):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def _handled_by(at_sigterm: Handler, at_sigint: Handler) -> Iterator[None]:
    """Sets the handlers of both signals, which the main thread alone can, and gives them back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGTERM, at_sigterm), (signal.SIGINT, at_sigint))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(
    number: int, _frame: FrameType | None, again: signal.Handlers = signal.SIG_DFL
) -> None:
    signal.signal(number, again)
    raise Terminated
