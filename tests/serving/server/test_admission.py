"""Which requests are taken when the server is to end, and when it may."""

import asyncio

import pytest
from virtual_time import run_in_virtual_time

from serving.server.admission import Admission
from serving.server.errors import Code, StatusError


async def _answer(after: asyncio.Event | None = None) -> str:
    if after:
        await after.wait()
    return "answer"


async def _begun(admission: Admission, end: asyncio.Event) -> asyncio.Task[str]:
    """A request that runs until `end`."""
    taken = asyncio.create_task(admission.run(_answer(end)))
    await asyncio.sleep(0)  # one turn of the loop, in which the task begins
    return taken


def _now() -> float:
    return asyncio.get_running_loop().time()


def test_what_was_taken_ends_and_what_comes_later_is_refused():
    async def scene() -> None:
        admission, end = Admission(), asyncio.Event()
        taken = await _begun(admission, end)
        admission.close()
        with pytest.raises(StatusError) as caught:
            await admission.run(_answer())
        assert caught.value.code is Code.UNAVAILABLE
        draining = asyncio.create_task(admission.drained(30))
        done, _ = await asyncio.wait([draining], timeout=29)
        assert not done
        end.set()
        assert await taken == "answer"
        assert await draining

    run_in_virtual_time(scene())


def test_a_request_that_does_not_end_is_waited_for_no_longer_than_told():
    async def scene() -> None:
        admission, end = Admission(), asyncio.Event()
        endless = await _begun(admission, end)
        admission.close()
        started = _now()
        assert not await admission.drained(30)
        assert 30 <= _now() - started < 31
        end.set()
        await endless

    run_in_virtual_time(scene())


def test_who_comes_last_is_held_until_the_end():
    async def scene() -> None:
        admission = Admission()
        admission.close()
        refused = 0

        async def ask() -> None:
            nonlocal refused
            while True:
                with pytest.raises(StatusError):
                    await admission.run(_answer())
                refused += 1
                await asyncio.sleep(0.01)  # by a clock that moves at once

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        await asyncio.sleep(0.05)  # by a clock that moves at once
        started = _now()
        assert await admission.drained(30)
        # Clients that ask as soon as they are refused do not put the end off.
        assert 0.2 <= _now() - started < 0.5
        before = refused
        await asyncio.sleep(10)  # by a clock that moves at once
        assert refused == before > 0
        admission.close()
        await asyncio.sleep(0.1)  # by a clock that moves at once
        assert refused > before
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)

    run_in_virtual_time(scene())


def test_new_clients_again_and_again_are_not_waited_for_for_ever():
    async def scene() -> None:
        admission = Admission()
        admission.close()
        held: list[asyncio.Task[str]] = []

        async def come() -> None:
            while True:
                held.append(asyncio.create_task(admission.run(_answer())))
                await asyncio.sleep(0.1)  # by a clock that moves at once

        coming = asyncio.create_task(come())
        started = _now()
        assert await admission.drained(30)
        assert 1 < _now() - started < 3
        coming.cancel()
        admission.close()
        await asyncio.wait([coming, *held])
        assert all(isinstance(task.exception(), StatusError) for task in held)

    run_in_virtual_time(scene())
