"""A process that this one has started: how it is ended, and what it said last."""

import subprocess
from pathlib import Path

_TAIL_BYTES = 4096


def end(process: "subprocess.Popen[bytes]", within: float = 10.0) -> None:
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
