"""Whom a batch waits for: clients that come back at once, and nobody else."""

import asyncio
from typing import Any

import numpy as np
import pytest
from virtual_time import run_in_virtual_time

from serving.server.batching import BatchingRunner
from serving.server.configuration import BatchingParameters
from serving.server.lifecycle import Version
from serving.server.metrics import ServerMetrics
from serving.server.refill import Refill
from serving.server.servable import Call

_RUN = 0.2


class Clock:
    """Stands still at 100 seconds, unless a test moves it."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refill(clock: Clock) -> Refill:
    return Refill(clock)


def test_a_batch_waits_for_as_many_as_were_answered(refill: Refill):
    refill.ended("queue", answered=7, waiting=1, seconds=_RUN)
    assert 100 < refill.until("queue", 1) <= 100 + 0.05 * _RUN
    assert refill.until("queue", 7) > 100
    assert refill.until("queue", 8) == 0
    assert refill.until("another queue", 1) == 0


def test_a_large_batch_is_not_waited_for_long(refill: Refill):
    refill.ended("queue", answered=7, waiting=1, seconds=60)
    assert refill.until("queue", 1) == 100.025


@pytest.mark.parametrize(
    ("answered", "waiting", "seconds"),
    [(1, 0, _RUN), (8, 0, 0.001)],
    ids=["one client alone", "a model that is done at once"],
)
def test_nobody_waits_in_vain(refill: Refill, answered, waiting, seconds):
    refill.ended("queue", answered=answered, waiting=waiting, seconds=seconds)
    assert refill.until("queue", 1) == 0


def test_where_nobody_comes_back_most_batches_do_not_wait(refill: Refill, clock: Clock):
    waited = 0
    for _ in range(200):
        refill.ended("queue", answered=7, waiting=1, seconds=_RUN)
        until = refill.until("queue", 1)
        waited += until > clock.now
        arrived, clock.now = clock.now, max(clock.now, until)
        refill.cut("queue", 1, since=arrived)
        clock.now += _RUN
    assert 1 <= waited <= 10


def test_where_they_come_back_every_batch_waits_again(refill: Refill):
    for _ in range(50):
        refill.ended("queue", answered=7, waiting=1, seconds=_RUN)
        assert refill.until("queue", 1) > 100
        refill.cut("queue", 8, since=100.0)


class Servable:
    """Answers what it is asked, and counts its runs."""

    runs = 0

    def run(self, feeds: Any, arrays: Any, fetches: Any) -> Any:
        self.runs += 1
        return list(arrays)


class Workers:
    """Each run takes its time by the event loop's clock."""

    async def run(self, version: Version, work: Any) -> Any:
        await asyncio.sleep(_RUN)  # by a clock that moves at once
        return work()


def test_clients_that_ask_at_once_share_full_batches(tmp_path):
    """Eight of them: by turns in batches of one and seven, they would need two runs an answer."""
    answers = 12
    servable = Servable()

    async def scene() -> None:
        version = Version("m", 1, tmp_path, servable=servable)
        parameters = BatchingParameters(max_batch_size=16, num_batch_threads=1)
        runner = BatchingRunner(parameters, Workers(), ServerMetrics())
        call = Call("Predict", ("x",), (np.float32([300]),), ("y",), list)

        async def client() -> None:
            for _ in range(answers):
                await runner.run(version, call)

        await asyncio.gather(*(client() for _ in range(8)))

    run_in_virtual_time(scene())
    assert servable.runs <= answers + 3
