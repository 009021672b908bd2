"""`availability_preserving_policy_test.cc` of TensorFlow Serving: what is loaded and unloaded."""

import asyncio
import functools
import threading
from types import SimpleNamespace

from model_server import HANGS

from serving.server.errors import Code, StatusError
from serving.server.lifecycle import Lifecycle

LOADS, FAILS, HELD = "loads", "fails", "held"


class Life:
    """Versions of one model, of which each loads, fails to, or is held until the end."""

    def __init__(self, threads=8, **behaviour):
        self.behaviour = {int(name[1:]): what for name, what in behaviour.items()}
        self.begun = []
        self.go_on = threading.Event()
        self.lifecycle = Lifecycle(self._load, retries=0, load_threads=threads)

    def _load(self, name, number, path):
        self.begun.append(number)
        if self.behaviour[number] == FAILS:
            raise StatusError(Code.UNKNOWN, "It fails.")
        if self.behaviour[number] == HELD:
            assert self.go_on.wait(HANGS)
        return SimpleNamespace(close=lambda: None)

    def want(self, *numbers):
        self.lifecycle.set_aspired("test", dict.fromkeys(numbers))

    def states(self):
        return {v.number: v.state.name for v in self.lifecycle.versions("test")}

    async def until(self, **states):
        """Waits for what is said, and checks it together with all the rest."""
        wanted = {int(name[1:]): state for name, state in states.items()}
        async with self.lifecycle._changed:
            await self.lifecycle._changed.wait_for(lambda: wanted.items() <= self.states().items())
        assert self.states() == wanted


def scene(**behaviour):
    """A test that is a coroutine of such versions."""

    def decorated(story):
        @functools.wraps(story)
        def test():
            async def run():
                life = Life(**behaviour)
                try:
                    await story(life)
                finally:
                    life.go_on.set()

            asyncio.run(run())

        del test.__wrapped__
        return test

    return decorated


@scene(v3=LOADS, v4=LOADS, v5=LOADS, threads=1)
async def test_LoadsNewAspired(life):
    life.want(3)
    await life.until(v3="AVAILABLE")
    life.want(3, 4, 5)
    await life.until(v3="AVAILABLE", v4="AVAILABLE", v5="AVAILABLE")
    assert life.begun == [3, 5, 4]


@scene(v3=LOADS, v4=LOADS, v5=HELD)
async def test_UnloadsNonAspiredFirst(life):
    life.want(3, 4)
    await life.until(v3="AVAILABLE", v4="AVAILABLE")
    life.want(4, 5)
    await life.until(v3="END", v4="AVAILABLE", v5="LOADING")


@scene(v2=LOADS, v3=FAILS)
async def test_UnloadsFirstNonAspiredWhenNoAspired(life):
    life.want(2, 3)
    await life.until(v2="AVAILABLE", v3="END")
    life.want()
    await life.until(v2="END", v3="END")


@scene(v1=LOADS, v2=FAILS, v3=HELD)
async def test_ReturnsNoActionWhenNone(life):
    life.want(1, 2, 3)
    await life.until(v1="AVAILABLE", v2="END", v3="LOADING")
    life.want(1, 2, 3)
    await asyncio.sleep(0)  # a turn of the loop, in which nothing begins
    assert life.states() == {1: "AVAILABLE", 2: "END", 3: "LOADING"}
    assert sorted(life.begun) == [1, 2, 3]


@scene(v1=LOADS, v2=HELD)
async def test_DoesNotUnloadWhenOtherNotReady(life):
    life.want(1)
    await life.until(v1="AVAILABLE")
    life.want(2)
    await asyncio.sleep(0)  # a turn of the loop, in which nothing ends
    assert life.states() == {1: "AVAILABLE", 2: "LOADING"}
    life.go_on.set()
    await life.until(v1="END", v2="AVAILABLE")


@scene(v1=LOADS, v2=FAILS)
async def test_DoesNotUnloadWhenOtherInError(life):
    life.want(1)
    await life.until(v1="AVAILABLE")
    life.want(2)
    await life.until(v1="AVAILABLE", v2="END")


@scene(v1=LOADS, v2=HELD, v3=LOADS)
async def test_UnloadIfOtherReadyEvenIfLoading(life):
    life.want(1)
    await life.until(v1="AVAILABLE")
    life.want(2, 3)
    await life.until(v1="END", v2="LOADING", v3="AVAILABLE")


@scene(v1=LOADS, v2=FAILS, v3=LOADS)
async def test_UnloadIfOtherReadyEvenIfError(life):
    life.want(1)
    await life.until(v1="AVAILABLE")
    life.want(2, 3)
    await life.until(v1="END", v2="END", v3="AVAILABLE")


@scene(v1=LOADS, v2=LOADS, v3=FAILS, v4=HELD)
async def test_UnloadIfNoAspiredVersionsReady(life):
    life.want(1, 2)
    await life.until(v1="AVAILABLE", v2="AVAILABLE")
    life.want(3, 4)
    await life.until(v1="END", v2="AVAILABLE", v3="END", v4="LOADING")
