"""Work in processes of their own, so that peak memory is the work's and nothing else's."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """What a piece of work came to.

    Attributes:
        figures: What it returned.
        seconds: Wall-clock time, imports included.
        peak_bytes: Most memory that its process held at a time.
    """

    figures: dict[str, Any]
    seconds: float
    peak_bytes: int


def run_alone(work: Callable[..., dict[str, Any]], *arguments: object) -> Measured:
    """Runs a function of a module in a fresh process.

    Args:
        work: The function; it and its arguments must be picklable.
        arguments: Its arguments.

    Returns:
        What it returned, with its time and peak memory.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (work, *arguments))


def _measure(work: Callable[..., dict[str, Any]], *arguments: object) -> Measured:
    started = time.monotonic()
    figures = work(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    in_bytes = peak * (1 if sys.platform == "darwin" else 1024)
    return Measured(figures, time.monotonic() - started, in_bytes)
