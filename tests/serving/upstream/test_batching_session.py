"""`batching_session_test.cc` of TensorFlow Serving: what is run together, and in which sizes."""

import asyncio

import numpy as np
import pytest
from servable_calls import refused
from virtual_time import run_in_virtual_time

from components.errors import PipelineError
from serving.server.batching import BatchingRunner
from serving.server.configuration import BatchingParameters
from serving.server.errors import Code
from serving.server.lifecycle import Version
from serving.server.metrics import ServerMetrics
from serving.server.servable import Call

SECOND = 1_000_000


class HalfPlus:
    """y = x / 2 + 2 and y3 = x2 / 2 + 3, as upstream's model; knows the sizes that it ran."""

    def __init__(self):
        self.sizes = []

    def run(self, feeds, arrays, fetches):
        self.sizes.append(len(arrays[0]))
        given = dict(zip(feeds, arrays, strict=True))
        outputs = {"y": ("x", 2), "y3": ("x2", 3)}
        return [given[outputs[name][0]] / 2 + outputs[name][1] for name in fetches]


class Workers:
    """Runs where it is asked."""

    async def run(self, version, work):
        return work()


def ask(*requests, **parameters):
    """The outputs of requests that come together, each a dict of inputs or that with fetches."""

    async def scene():
        parameters.setdefault("num_batch_threads", 1)
        runner = BatchingRunner(BatchingParameters(**parameters), Workers(), ServerMetrics())
        version = Version("m", 1, None, servable=model)

        async def run(inputs, fetches=("y",)):
            feeds = tuple(inputs)
            arrays = tuple(np.float32(value) for value in inputs.values())
            outputs = await runner.run(version, Call("Predict", feeds, arrays, fetches, list))
            return [output.tolist() for output in outputs]

        answers = [run(*one) if isinstance(one, tuple) else run(one) for one in requests]
        return await asyncio.gather(*answers)

    model = HalfPlus()
    return run_in_virtual_time(scene()), model.sizes


ONE, TWO = {"x": [100.0, 42.0]}, {"x": [70.0, 18.0]}
Y, Y2 = [[52.0, 23.0]], [[37.0, 11.0]]
PAIR, X2 = {"x": [8.0, 6.0], "x2": [100.0, 42.0]}, {"x2": [100.0, 42.0]}
SMALL, Y3 = [6.0, 5.0], [53.0, 24.0]


def test_Basic():
    answers, sizes = ask(ONE, TWO, max_batch_size=4, batch_timeout_micros=SECOND)
    assert (answers, sizes) == ([Y, Y2], [4])


@pytest.mark.parametrize("split", [True, False])
def test_BatchingWithLargeBatch(split):
    rows = np.arange(5, 17).reshape(3, 2, 2)
    options = {"max_batch_size": 2, "batch_timeout_micros": SECOND, "split_large": split}
    if not split:
        with refused(Code.INVALID_ARGUMENT, "Task size 3 is larger than maximum input batch size"):
            ask({"x": rows}, **options)
        return
    answers, sizes = ask({"x": rows[:1]}, {"x": rows}, **options, max_enqueued_batches=4)
    assert answers == [[(rows[:1] / 2 + 2).tolist()], [(rows / 2 + 2).tolist()]]
    assert sum(sizes) == 4
    assert max(sizes) == 2


def test_BatchingLazySplit():
    options = {"max_batch_size": 1, "batch_timeout_micros": 2**31 - 1}
    rows = {"x": [[[5.0, 6.0], [7.0, 8.0]], [[1.0, 2.0], [3.0, 4.0]]]}
    answers, sizes = ask(rows, **options)
    assert (answers, sizes) == (
        [[[[[4.5, 5.0], [5.5, 6.0]], [[2.5, 3.0], [3.5, 4.0]]]]],
        [1, 1],
    )


def test_SingletonBatch():
    assert ask(ONE, max_batch_size=4) == ([Y], [2])


def test_RequestWithIncompatibleInputTensorSizes():
    with refused(Code.INVALID_ARGUMENT, "Run() input tensors must have equal 0th-dimension size"):
        ask({"x": [3.0], "x2": [5.0, 7.0]})


@pytest.mark.parametrize(
    ("allowed", "size"),
    [
        pytest.param((2, 4), 2, id="AllowedBatchSizesNoPaddingNeeded"),
        pytest.param((1, 3, 4), 3, id="AllowedBatchSizesRequirePadding"),
    ],
)
def test_allowed_batch_sizes(allowed, size):
    assert ask(ONE, max_batch_size=4, allowed_batch_sizes=allowed) == ([Y], [size])


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param((4, 2), id="UnsortedAllowedBatchSizesRejected"),
        pytest.param((2, 8), id="FinalAllowedBatchSizeLargerThanMaxBatchSizeRejected"),
    ],
)
def test_rejected(allowed):
    with pytest.raises(PipelineError, match="max_batch_size"):
        BatchingParameters(max_batch_size=4, allowed_batch_sizes=allowed)


def test_DifferentOrderForInputAndOutputTensors():
    asked = [(PAIR, ("y", "y3")), (PAIR, ("y3", "y")), (PAIR, ("y", "y3"))]
    answers, _ = ask(*asked, max_batch_size=6, batch_timeout_micros=SECOND)
    assert answers == [[SMALL, Y3], [Y3, SMALL], [SMALL, Y3]]


def test_SubsetOutputTensors():
    asked = [(PAIR, ("y",)), (PAIR, ("y3",)), (PAIR, ("y",))]
    answers, _ = ask(*asked, max_batch_size=6, batch_timeout_micros=SECOND)
    assert answers == [[SMALL], [Y3], [SMALL]]


def test_MultipleSignatures():
    asked = [ONE, (X2, ("y3",)), ONE, (X2, ("y3",))]
    answers, sizes = ask(*asked, max_batch_size=4, batch_timeout_micros=SECOND)
    assert (answers, sizes) == ([Y, [Y3], Y, [Y3]], [4, 4])
