"""A process that this one starts: it ends with this one at the latest, and how it is ended."""

import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

_TAIL_BYTES = 4096
_PYTHON = sys.executable
_LEASH = Path(__file__).with_name("leash.py")
_WAY = "kernel" if sys.platform == "linux" else "watched"
"""How a child learns of its parent's death: from the kernel, or a process that waits beside it."""


def start(
    command: Sequence[str],
    *,
    ends_by: signal.Signals = signal.SIGKILL,
    pass_fds: Collection[int] = (),
    **options: Any,
) -> "subprocess.Popen[Any]":
    """Starts a program that gets a signal when this process is gone, by whatever killed it.

    The thread that calls this must live as long as the program is to: for Linux it is the parent.
    What the program starts itself is its own business.

    Args:
        command: Its command line.
        ends_by: The signal; for a program that has something to tidy up, one that it can catch.
        pass_fds: Descriptors that it inherits.
        options: As `subprocess.Popen` takes them.

    Returns:
        The process, which is the program by now.

    Raises:
        OSError: It cannot be started.
    """
    (lifeline, held), (failed, failure) = os.pipe(), os.pipe()
    words = [_WAY, *map(str, (os.getpid(), int(ends_by), lifeline, failure))]
    try:
        process: subprocess.Popen[Any] = subprocess.Popen(
            [_PYTHON, "-I", "-S", str(_LEASH), *words, *command],
            pass_fds=[*pass_fds, lifeline, failure],
            **options,
        )
    except BaseException:
        for descriptor in (held, failed):
            os.close(descriptor)
        raise
    finally:
        os.close(lifeline)
        os.close(failure)
    weakref.finalize(process, os.close, held)
    with os.fdopen(failed, "rb") as told:
        number = told.read()  # ends when the program begins
    if number:
        process.wait()
        raise OSError(int(number), os.strerror(int(number)), command[0])
    return process


def end(process: "subprocess.Popen[Any]", within: float = 10.0) -> None:
    """Tells a process to end; kills it where it does not.

    Args:
        process: The process.
        within: Seconds that it has.
    """
    process.terminate()
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: Path, limit: int) -> str:
    """The end of a log, at most so many bytes of it; what is no UTF-8 is replaced."""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - limit, 0))
        return file.read().decode("utf-8", "replace")


def last_line(log: Path) -> str:
    """The last line with words in a log; empty where there is none."""
    lines = tail(log, _TAIL_BYTES).split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
