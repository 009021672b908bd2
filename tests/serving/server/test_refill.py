"""Whom a batch waits for: clients that come back at once, and nobody else."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from serving.server.batching import BatchingRunner
from serving.server.batching_config import BatchingParameters
from serving.server.lifecycle import Lifecycle, Version
from serving.server.metrics import Metrics
from serving.server.refill import Refill
from serving.server.runner import Workers
from serving.server.servable import Call, LoadOptions, Servable

pytestmark = pytest.mark.long

_RUN = 0.2


@pytest.fixture
def refill(monkeypatch: pytest.MonkeyPatch) -> Refill:
    """Its clock stands still at 100 seconds, unless a test says otherwise."""
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    return Refill()


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


def test_where_nobody_comes_back_most_batches_do_not_wait(refill: Refill, monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    waited = 0
    for _ in range(200):
        refill.ended("queue", answered=7, waiting=1, seconds=_RUN)
        until = refill.until("queue", 1)
        waited += until > now
        arrived, now = now, max(now, until)
        refill.cut("queue", 1, since=arrived)
        now += _RUN
    assert 1 <= waited <= 10


def test_where_they_come_back_every_batch_waits_again(refill: Refill):
    for _ in range(50):
        refill.ended("queue", answered=7, waiting=1, seconds=_RUN)
        assert refill.until("queue", 1) > 100
        refill.cut("queue", 8, since=100.0)


def test_clients_that_ask_at_once_share_full_batches(toys: Path):
    """Eight of them: by turns in batches of one and seven, they would need two runs an answer."""
    answers = 12

    async def scene(servable: Servable) -> int:
        metrics, lifecycle = Metrics(), Lifecycle(lambda *_: servable)
        version = Version("heavy", 1, servable.path, servable=servable)
        parameters = BatchingParameters(max_batch_size=16, num_batch_threads=1)
        runner = BatchingRunner(parameters, Workers(lifecycle, 1), metrics)
        signature = servable.signatures["serving_default"]
        x, y = signature.inputs["x"].name, signature.outputs["y"].name
        call = Call("Predict", (x,), (np.float32([300]),), (y,), list)

        async def client() -> None:
            for _ in range(answers):
                await runner.run(version, call)

        await asyncio.gather(*(client() for _ in range(8)))
        await lifecycle.close()
        [runs] = [line for line in metrics.text().splitlines() if "runtime_latency_count" in line]
        return int(runs.split()[-1])

    servable = Servable("heavy", 1, toys / "heavy" / "1", LoadOptions())
    runs = asyncio.run(scene(servable))
    servable.close()
    assert runs <= answers + 3
