"""What only the client that is awaited can do, and what it leaves behind: nothing."""

import asyncio
import threading
from concurrent import futures
from contextlib import aclosing, contextmanager

import grpc
import pytest
from drawing import draw, encode
from fake_server import predicts, running
from tensorflow_serving.apis import prediction_service_pb2_grpc

from components.errors import PipelineError
from serving.client import Client, ServingError
from serving.client.aio import AsyncClient

pytestmark = pytest.mark.long

IMAGE = encode(draw(1))
HANGS = 60.0


class Holding:
    """A REST server that answers nothing until its clients have hung up."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self.gone = threading.Semaphore(0)

    def __call__(self, handler, _):
        self.came.release()
        handler.connection.settimeout(HANGS)
        if handler.connection.recv(1) == b"":
            self.gone.release()
        handler.close_connection = True


class HoldingServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The same over gRPC."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self.gone = threading.Semaphore(0)

    def Predict(self, request, context):  # noqa: N802 - the protocol's
        ended = threading.Event()
        context.add_callback(ended.set)
        self.came.release()
        if ended.wait(HANGS):
            self.gone.release()


@contextmanager
def _over_rest():
    holding = Holding()
    with running(holding) as server:
        yield server.address, holding


@contextmanager
def _over_grpc():
    holding = HoldingServicer()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(holding, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", holding
    finally:
        server.stop(0).wait()


@pytest.fixture(params=[_over_rest, _over_grpc], ids=["rest", "grpc"])
def held(request):
    with request.param() as (address, holding):
        yield address, holding


async def _all(semaphore, count):
    for _ in range(count):
        assert await asyncio.to_thread(semaphore.acquire, timeout=HANGS)


def _others():
    return asyncio.all_tasks() - {asyncio.current_task()}


def test_requests_of_one_loop_are_under_way_together():
    together = threading.Barrier(8)

    def answer(handler, body):
        together.wait(HANGS)
        predicts(handler, body)

    async def ask():
        async with AsyncClient(server.address, timeout=HANGS) as client:
            return await asyncio.gather(*(client.predict(IMAGE) for _ in range(8)))

    with running(answer) as server:
        assert {one.label for one in asyncio.run(ask())} == {"glioma"}


def test_an_image_is_read_beside_the_loop(monkeypatch):
    from serving.client import asking

    prepare, go = asking.prepare_image, threading.Event()

    def slow(image):
        assert go.wait(HANGS)
        return prepare(image)

    monkeypatch.setattr(asking, "prepare_image", slow)

    async def ask():
        async with AsyncClient(server.address) as client:
            one, several = asyncio.gather(client.predict(IMAGE)), client.predict_batch([IMAGE])
            several = asyncio.ensure_future(several)
            await asyncio.sleep(0)  # both begin
            go.set()  # if the loop waited for the image, nobody would
            return [*await one, *await several]

    with running(predicts) as server:
        assert [one.label for one in asyncio.run(ask())] == ["glioma"] * 2


def test_a_call_that_is_cancelled_hangs_up(held):
    address, holding = held

    async def ask():
        async with AsyncClient(address, timeout=HANGS) as client:
            call = asyncio.create_task(client.predict(IMAGE))
            await _all(holding.came, 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert not {task for task in _others() if "serving" in repr(task)}
            await _all(holding.gone, 1)

    asyncio.run(ask())


def test_a_batch_that_is_cancelled_hangs_up_on_all_of_its_requests(held):
    address, holding = held
    taken = []

    def images():
        for _ in range(100):
            taken.append(1)
            yield IMAGE

    async def ask():
        options = {"timeout": HANGS, "batch_size": 1, "in_flight": 3}
        async with AsyncClient(address, **options) as client:
            call = asyncio.create_task(client.predict_batch(images()))
            await _all(holding.came, 3)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert not {task for task in _others() if "several" in repr(task)}
            await _all(holding.gone, 3)

    asyncio.run(ask())
    assert len(taken) == 3
    assert not holding.came.acquire(blocking=False)


def test_a_stream_that_is_left_hangs_up():
    first, holding = threading.Event(), Holding()

    def answer(handler, body):
        if not first.is_set():
            first.set()
            predicts(handler, body)
        else:
            holding(handler, body)

    async def ask():
        options = {"timeout": HANGS, "batch_size": 1, "in_flight": 2}
        async with AsyncClient(server.address, **options) as client:
            # In order: the second is under way when the first is there.
            await client.predict(IMAGE)
            async with aclosing(client.stream([IMAGE] * 9)) as results:
                getting = asyncio.ensure_future(anext(results))
                await _all(holding.came, 2)
                getting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await getting
            await _all(holding.gone, 2)

    with running(answer) as server:
        asyncio.run(ask())
    assert len(server.requests) == 3


def test_closing_twice_does_nothing_and_a_closed_client_says_so(held):
    address, _ = held
    said = "This client is closed"
    with Client(address) as client:
        client.close()
    client.close()
    calls = (
        client.status,
        lambda: client.predict(IMAGE),
        lambda: client.predict_batch([IMAGE]),
        lambda: client.of_version(1).predict(IMAGE),
    )
    for call in calls:
        with pytest.raises(PipelineError, match=said):
            call()

    async def ask():
        async with AsyncClient(address) as client:
            await client.close()
        await client.close()
        for call in (client.status(), client.predict(IMAGE), client.predict_batch([IMAGE])):
            with pytest.raises(PipelineError, match=said):
                await call

    asyncio.run(ask())


def test_a_client_that_is_closed_meanwhile_gives_an_error(held):
    address, holding = held

    async def ask():
        client = AsyncClient(address, timeout=HANGS)
        call = asyncio.create_task(client.predict(IMAGE))
        await _all(holding.came, 1)
        await client.close()
        with pytest.raises(PipelineError, match="closed"):
            await call
        await _all(holding.gone, 1)

    asyncio.run(ask())


def test_it_is_made_in_a_loop_and_stays_in_it(held):
    address, _ = held
    with pytest.raises(PipelineError, match="made in a coroutine"):
        AsyncClient(address)

    async def make():
        return AsyncClient(address)

    async def use():
        await client.predict(IMAGE)

    client = asyncio.run(make())
    with pytest.raises(PipelineError, match="another event loop"):
        asyncio.run(use())


def test_the_client_that_blocks_works_where_a_loop_runs():
    async def ask():
        with Client(server.address) as client:
            return client.predict(IMAGE), *client.predict_batch([IMAGE])

    with running(predicts) as server:
        assert [one.label for one in asyncio.run(ask())] == ["glioma"] * 2


def test_a_client_of_one_version_is_of_the_same_kind():
    async def ask():
        async with AsyncClient(server.address, label="canary", batch_size=7) as client:
            return await client.of_version(3).predict(IMAGE), await client.predict(IMAGE)

    with running(predicts) as server:
        first, second = asyncio.run(ask())
    assert (first.version, second.version) == (3, None)
    assert [path for path, _, _ in server.requests] == [
        "/v1/models/brain_mri/versions/3:predict",
        "/v1/models/brain_mri/labels/canary:predict",
    ]


def test_an_error_is_what_the_client_that_blocks_raises():
    async def ask():
        async with AsyncClient("http://127.0.0.1:1", attempts=1) as client:
            await client.status()

    with pytest.raises(ServingError, match="no connection") as raised:
        asyncio.run(ask())
    assert raised.value.code == "UNAVAILABLE"
