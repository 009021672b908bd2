"""SIGTERM as ctrl-C is: what is being done is left in order, and children end."""

import signal
import threading
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


def _terminate(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Terminated
