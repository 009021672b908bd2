"""How calls reach a model: in worker threads, each for itself or merged by dynamic batching.

The parameters are TensorFlow Serving's. A batch runs when it is full, or when its first request has
waited long enough and a thread is free; `Refill` may let it wait a moment longer. Where a batch
fails, each of its requests is run again by itself, so that one bad image fails nobody else's;
TensorFlow Serving fails them all.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from serving.server.configuration import BatchingParameters
from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.lifecycle import Lifecycle, Version
from serving.server.metrics import ServerMetrics
from serving.server.refill import Refill
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


@dataclass
class _Task:
    """A request, or a part of one, that waits."""

    arrays: tuple[Array, ...]
    size: int
    future: asyncio.Future[list[Array]]
    since: float


@dataclass
class _Queue:
    """Requests that may run together: same version, inputs, outputs, types and shapes."""

    key: Hashable
    version: Version
    call: Call
    tasks: deque[_Task] = field(default_factory=deque)
    size: int = 0

    def take(self, most: int) -> list[_Task]:
        """Takes the first requests, as many as fit."""
        batch: list[_Task] = []
        size = 0
        while self.tasks and size + self.tasks[0].size <= most:
            task = self.tasks.popleft()
            self.size -= task.size
            if not task.future.done():  # its client may have gone
                size += task.size
                batch.append(task)
        return batch


class BatchingRunner(Runner):
    """Merges calls and runs them together, in workers of `num_batch_threads` threads."""

    def __init__(
        self, parameters: BatchingParameters, workers: Workers, metrics: ServerMetrics
    ) -> None:
        super().__init__(workers, metrics)
        self._parameters = parameters
        self._queues: dict[Hashable, _Queue] = {}
        self._free = parameters.num_batch_threads
        self._refill = Refill(_now)
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, version: Version, call: Call) -> list[Array]:
        """Runs one call, together with what else is there; it may be refused."""
        size = _batch_size(call.arrays)
        queue = self._queue(version, call)
        self._check_room(queue, size)
        most = self._parameters.max_batch_size
        starts = range(0, max(size, 1), most)
        tasks = [self._add(queue, call, start, min(most, size - start)) for start in starts]
        self._dispatch()
        parts = await asyncio.gather(*(task.future for task in tasks))
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]

    def _queue(self, version: Version, call: Call) -> _Queue:
        forms = tuple((array.dtype.str, array.shape[1:]) for array in call.arrays)
        key = (version.name, version.number, id(version), call.feeds, call.fetches, forms)
        return self._queues.setdefault(key, _Queue(key, version, call))

    def _check_room(self, queue: _Queue, size: int) -> None:
        given = self._parameters
        if size > given.max_batch_size and not given.split_large:
            raise invalid_argument(
                f"Task size {size} is larger than maximum input batch size {given.max_batch_size}"
            )
        # What a free thread takes at once does not wait.
        room = (given.max_enqueued_batches + self._free) * given.max_batch_size - queue.size
        if size > room:
            raise StatusError(
                Code.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full; task size is"
                f" {size} but scheduling capacity is only {room}"
                f" (max_enqueued_batches={given.max_enqueued_batches},"
                f" max_execution_batch_size={given.max_batch_size})",
            )

    def _add(self, queue: _Queue, call: Call, start: int, size: int) -> _Task:
        whole = start == 0 and size == len(call.arrays[0])
        arrays = call.arrays if whole else tuple(a[start : start + size] for a in call.arrays)
        task = _Task(arrays, size, asyncio.get_running_loop().create_future(), _now())
        queue.tasks.append(task)
        queue.size += size
        # Nobody reads the error of a part whose request has failed in another part.
        task.future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def _dispatch(self) -> None:
        """Runs what is ready while a thread is free, and comes back when the next one is."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._queues = {key: queue for key, queue in self._queues.items() if queue.tasks}
        while self._free and self._queues:
            queue = min(self._queues.values(), key=self._due)
            due = self._due(queue)
            if due > _now():
                self._timer = asyncio.get_running_loop().call_at(due, self._dispatch)
                return
            self._refill.cut(queue.key, len(queue.tasks), queue.tasks[0].since)
            if batch := queue.take(self._parameters.max_batch_size):
                self._free -= 1
                running = asyncio.create_task(self._run(queue, batch))
                self._running.add(running)
                running.add_done_callback(self._running.discard)
            if not queue.tasks:
                del self._queues[queue.key]

    def _due(self, queue: _Queue) -> float:
        """When a queue's first batch may run, by the event loop's clock."""
        since = queue.tasks[0].since
        if queue.size >= self._parameters.max_batch_size:
            return since
        timeout = self._parameters.batch_timeout_micros / 1e6
        return max(since + timeout, self._refill.until(queue.key, len(queue.tasks)))

    async def _run(self, queue: _Queue, batch: Sequence[_Task]) -> None:
        started = _now()
        try:
            results = await self._workers.run(
                queue.version, lambda: self._results(queue, [task.arrays for task in batch])
            )
        finally:
            self._free += 1
        for task, result in zip(batch, results, strict=True):
            if task.future.done():
                continue
            if isinstance(result, Exception):
                task.future.set_exception(result)
            else:
                task.future.set_result(result)
        waiting = self._queues.get(queue.key)
        count = len(waiting.tasks) if waiting else 0
        self._refill.ended(queue.key, len(batch), count, _now() - started)
        self._dispatch()

    def _results(
        self, queue: _Queue, requests: Sequence[tuple[Array, ...]]
    ) -> list[list[Array] | Exception]:
        """Runs a batch; in a worker thread. Where it fails, runs each request by itself."""
        try:
            return list(self._merged(queue, requests))
        except Exception as error:  # noqa: BLE001  (handed to those who asked)
            if len(requests) == 1:
                return [error]
        return [self._results(queue, [request])[0] for request in requests]

    def _merged(self, queue: _Queue, requests: Sequence[tuple[Array, ...]]) -> list[list[Array]]:
        sizes = [len(request[0]) for request in requests]
        total = self._parameters.padded(sum(sizes)) if any(sizes) else 0
        inputs = tuple(_stacked(columns, total) for columns in zip(*requests, strict=True))
        outputs = self._call(queue.version, replace(queue.call, arrays=inputs))
        if not all(output.ndim for output in outputs):
            raise StatusError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
        if any(len(output) != total for output in outputs):
            raise StatusError(
                Code.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum of the 0th"
                " dimension sizes of the input tensors",
            )
        ends = np.cumsum(sizes)
        return [
            [output[end - size : end] for output in outputs]
            for size, end in zip(sizes, ends, strict=True)
        ]


def _now() -> float:
    """What time it is, in seconds of the event loop's clock."""
    return asyncio.get_running_loop().time()


def _batch_size(arrays: Sequence[Array]) -> int:
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension.")
    if len({len(array) for array in arrays}) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return len(arrays[0])


def _stacked(columns: Sequence[Array], total: int) -> Array:
    """One input of all requests in one array, filled up with its first row."""
    if missing := total - sum(map(len, columns)):
        row = next(column for column in columns if len(column))[:1]
        columns = [*columns, np.repeat(row, missing, axis=0)]
    return np.concatenate(columns) if len(columns) > 1 else columns[0]
