"""How calls reach a model: in worker threads, one call at a time."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.server.lifecycle import Lifecycle, Version
from serving.server.metrics import ServerMetrics
from serving.server.servable import Call
from serving.server.tensors import Array

T = TypeVar("T")


class Workers:
    """Threads in which models run. What has begun keeps its version loaded until it has ended."""

    def __init__(self, lifecycle: Lifecycle, threads: int) -> None:
        self._lifecycle = lifecycle
        self._threads = ThreadPoolExecutor(threads, "run")

    async def run(self, version: Version, work: Callable[[], T]) -> T:
        """Does work that uses a version, in a thread.

        Whoever waits may stop waiting: the work goes on, or is dropped where it has not begun.
        """
        loop = asyncio.get_running_loop()
        version.users += 1
        future = self._threads.submit(work)
        future.add_done_callback(
            lambda _: loop.call_soon_threadsafe(self._lifecycle.release, version)
        )
        return await asyncio.wrap_future(future)


class Runner:
    """Runs calls of models, each for itself."""

    def __init__(self, workers: Workers, metrics: ServerMetrics) -> None:
        self._workers = workers
        self._metrics = metrics

    async def run(self, version: Version, call: Call) -> list[Array]:
        """Runs one call, and gives the values of its fetches."""
        return await self._workers.run(version, lambda: self._call(version, call))

    def _call(self, version: Version, call: Call) -> list[Array]:
        """Runs a call in this thread and measures it."""
        assert version.servable is not None
        started = time.perf_counter()
        outputs = version.servable.run(call.feeds, call.arrays, call.fetches)
        self._metrics.runtime_latency(version.name, call.api, time.perf_counter() - started)
        return outputs
