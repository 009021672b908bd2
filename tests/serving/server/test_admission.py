"""Which requests are taken when the server is to end, and when it may."""

import asyncio
import time

import pytest

from serving.server.admission import Admission
from serving.server.errors import Code, ServingError


async def _answer(after: asyncio.Event | None = None) -> str:
    if after:
        await after.wait()
    return "answer"


def test_what_was_taken_ends_and_what_comes_later_is_refused():
    async def scene() -> None:
        admission, end = Admission(), asyncio.Event()
        taken = asyncio.create_task(admission.run(_answer(end)))
        await asyncio.sleep(0)
        admission.close()
        with pytest.raises(ServingError) as caught:
            await admission.run(_answer())
        assert caught.value.code is Code.UNAVAILABLE
        draining = asyncio.create_task(admission.drained(30))
        done, _ = await asyncio.wait([draining], timeout=0.3)
        assert not done
        end.set()
        assert await asyncio.wait_for(taken, 10) == "answer"
        assert await asyncio.wait_for(draining, 10)

    asyncio.run(scene())


def test_a_request_that_does_not_end_is_waited_for_no_longer_than_told():
    async def scene() -> None:
        admission = Admission()
        endless = asyncio.create_task(admission.run(_answer(asyncio.Event())))
        await asyncio.sleep(0)
        admission.close()
        assert not await asyncio.wait_for(admission.drained(0.1), 10)
        endless.cancel()

    asyncio.run(scene())


def test_who_comes_last_is_held_until_the_end():
    async def scene() -> None:
        admission = Admission()
        admission.close()
        refused = 0

        async def ask() -> None:
            nonlocal refused
            while True:
                with pytest.raises(ServingError):
                    await admission.run(_answer())
                refused += 1
                await asyncio.sleep(0.01)

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        await asyncio.sleep(0.05)
        started = time.monotonic()
        assert await asyncio.wait_for(admission.drained(30), 20)
        # Clients that ask as soon as they are refused do not put the end off.
        assert time.monotonic() - started < 1.5
        before = refused
        await asyncio.sleep(0.1)
        assert refused == before > 0
        admission.close()
        await asyncio.sleep(0.1)
        assert refused > before
        for task in asking:
            task.cancel()

    asyncio.run(scene())
