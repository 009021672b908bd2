"""The client that is awaited: the same as `serving.client.Client`, in an event loop.

Example:
    from serving.client.aio import AsyncClient

    async with AsyncClient("localhost:8500") as client:
        print((await client.predict("scan.jpg")).label)

A module of its own, as asyncio takes a tenth of a second to import.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from tenacity import AsyncRetrying

from components.errors import PipelineError
from serving.client.address import Address
from serving.client.asking import EXPLAIN, PREDICT, SignatureCall, in_flight
from serving.client.base import BaseClient
from serving.client.errors import Failure
from serving.client.images import Image
from serving.client.results import Explanation, Prediction, VersionStatus
from serving.client.transport import Access, Transport, Waiting

_Kind = TypeVar("_Kind", bound=Prediction)
_Result = TypeVar("_Result")


class AsyncClient(BaseClient):
    """Asks a model server from coroutines; otherwise as `Client`.

    It is made in a coroutine, and belongs to the event loop that runs there. Images are read in
    threads. A call that is cancelled leaves no request behind.
    """

    async def predict(self, image: Image) -> Prediction:
        """Classifies one image; see `Client.predict`."""
        return await self._asker.one(image, PREDICT)

    async def predict_batch(self, images: Iterable[Image]) -> list[Prediction | Failure]:
        """Classifies images; see `Client.predict_batch`."""
        return [one async for one in self.stream(images)]

    def stream(self, images: Iterable[Image]) -> AsyncGenerator[Prediction | Failure, None]:
        """The same as `predict_batch`, yielding results as they come."""
        return self._results(self._asker.jobs(images), PREDICT)

    async def explain(self, image: Image) -> Explanation:
        """Classifies one image and shows where the model looked; see `predict`."""
        return await self._asker.one(image, EXPLAIN)

    async def explain_batch(self, images: Iterable[Image]) -> list[Explanation | Failure]:
        """Explains images; see `predict_batch`."""
        return [one async for one in self._results(self._asker.jobs(images), EXPLAIN)]

    async def status(self) -> list[VersionStatus]:
        """The states of the model's versions; see `Client.status`."""
        return await self._asker.status()

    async def close(self) -> None:
        """Ends the connection; a second time, does nothing."""
        await self._asker.transport.close()

    async def __aenter__(self) -> "AsyncClient":
        """Gives itself, to be closed at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends the connection."""
        await self.close()

    async def _results(
        self, jobs: Iterator[list[Image]], question: SignatureCall[_Kind]
    ) -> AsyncGenerator[_Kind | Failure, None]:
        tasks: set[asyncio.Task[list[_Kind | Failure]]] = set()

        def start(job: list[Image]) -> asyncio.Task[list[_Kind | Failure]]:
            task = asyncio.create_task(self._asker.several(job, question))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return task

        try:
            for task in in_flight(jobs, start, self._asker.limits.in_flight):
                for one in await task:
                    yield one
        finally:
            left = [*tasks]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    @staticmethod
    def _waiting() -> Waiting:
        return _Awaiting()

    @staticmethod
    def _connect(address: Address, access: Access, waiting: Waiting) -> Transport:
        if address.protocol == "rest":
            from serving.client.rest import AsyncRestTransport

            return AsyncRestTransport(address, access, waiting)
        from grpc import aio

        from serving.client.grpc import GrpcTransport

        return GrpcTransport(address, access, waiting, aio)


class _Awaiting:
    """Lets others run while it waits, in the loop that it was made in."""

    def __init__(self) -> None:
        self._loop = _running_loop()

    async def retry(
        self, policy: Mapping[str, Any], send: Callable[[], Coroutine[Any, Any, _Result]]
    ) -> _Result:
        if _running_loop() is not self._loop:
            raise PipelineError(
                "This AsyncClient belongs to another event loop: make one in each that runs."
            )
        return await AsyncRetrying(**policy)(send)

    async def aside(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        return await asyncio.to_thread(work, *arguments)


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise PipelineError(
            "An AsyncClient is made in a coroutine; where none runs, there is Client."
        ) from None
