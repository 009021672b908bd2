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


def last_line(log: Path) -> str:
    """The last line with words in a log; empty where there is none."""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _TAIL_BYTES, 0))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
