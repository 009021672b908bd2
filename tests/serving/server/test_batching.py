"""Dynamic batching: what is merged, split, padded, refused, and kept from each other."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from gates import Gate
from model_server import Server, spec, strings, wait_until
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from virtual_time import run_in_virtual_time

from components.errors import PipelineError
from serving.server.batching import BatchingRunner
from serving.server.configuration import BatchingParameters, read_batching_parameters
from serving.server.lifecycle import Version
from serving.server.metrics import ServerMetrics
from serving.server.servable import Call

pytestmark = pytest.mark.long


def batch(server: Server, *values: float) -> tuple[list[float], list[int]]:
    response = server.predict({"x": np.float32(values)}, "types", "batch")
    return list(response.outputs["x"].float_val), list(response.outputs["size"].int_val)


@pytest.fixture
def gate(batching: Server, tmp_path: Path) -> Iterator[Gate]:
    """Whom the one thread waits for: nothing else runs before the gate is open."""
    with Gate(tmp_path / "gate") as closed:
        held = batching.ask(closed.rows(), "held")
        closed.reached()
        yield closed
        closed.open()
        held.result()


def waiting(server: Server) -> int:
    """How many rows wait for `batch` while the thread is held: what is refused is told of the rest.

    The queue takes three batches of four.
    """
    with pytest.raises(grpc.RpcError) as caught:
        batch(server, *[0.0] * 13)
    found = re.search(r"capacity is only (\d+)", caught.value.details())
    assert found
    return 12 - int(found[1])


def test_requests_that_come_together_run_together(batching: Server, gate: Gate):
    with ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(batch, batching, x) for x in range(4)]
        wait_until(lambda: waiting(batching) == 4)
        gate.open()
        answers = [asked.result() for asked in asking]
    assert [values for values, _ in answers] == [[0], [1], [2], [3]]
    assert {size for _, (size,) in answers} == {4}


def test_a_lonely_request_waits_no_longer_than_told_and_is_padded(batching: Server):
    assert batch(batching, 7) == ([7], [2])
    assert batch(batching, 7, 8, 9) == ([7, 8, 9], [4, 4, 4])
    assert batch(batching) == ([], [])


def test_a_larger_request_is_split(batching: Server):
    values = list(map(float, range(10)))
    assert batch(batching, *values) == (values, [4] * 8 + [2] * 2)


def test_requests_of_other_shapes_and_signatures_do_not_mix(batching: Server):
    asks = [
        lambda: batch(batching, 1, 2)[0],
        lambda: list(batching.predict({"x": np.float32([4])}, "half").outputs["y"].float_val),
        lambda: list(
            batching.predict({"any": np.float32([[1, 2]])}, "types", "any_shape")
            .outputs["out"]
            .float_val
        ),
        lambda: list(
            batching.predict({"any": np.float32([[1, 2, 3]])}, "types", "any_shape")
            .outputs["out"]
            .float_val
        ),
    ]
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda ask: ask(), asks))
    assert answers == [[1, 2], [4], [1, 2], [1, 2, 3]]


def test_a_bad_request_fails_alone(batching: Server):
    def ask(image: bytes):
        try:
            response = batching.predict({"image_bytes": strings(image)}, "bytes")
            return response.outputs["echo_bytes"].string_val[0]
        except grpc.RpcError as error:
            return error.code()

    images = [b"one", b"bad", b"two", b"three"]
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(ask, images * 5))
    expected = [grpc.StatusCode.INVALID_ARGUMENT if i == b"bad" else i for i in images]
    assert answers == expected * 5


def test_a_full_queue_is_unavailable_and_recovers(batching: Server, gate: Gate):
    rows = [1.0, 2.0, 3.0, 4.0]
    with ThreadPoolExecutor(3) as clients:
        asking = [clients.submit(batch, batching, *rows) for _ in range(3)]
        wait_until(lambda: waiting(batching) == 12)
        with pytest.raises(grpc.RpcError) as caught:
            batch(batching, 1)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        full = "The batch scheduling queue to which this task was submitted is full"
        assert full in caught.value.details()
        status, text = batching.rest("/v1/models/held:predict", {"instances": [""] * 1000})
        assert (status, "queue" in text) == (503, True)
        gate.open()
        assert [asked.result() for asked in asking] == [(rows, [4] * 4)] * 3
    assert batch(batching, 1) == ([1], [2])


@pytest.mark.parametrize(
    ("inputs", "signature", "code", "text"),
    [
        ({"any": np.float32(1)}, "any_shape", "INVALID_ARGUMENT", "at least one dimension"),
        ({"x": np.float32([1])}, "total", "FAILED_PRECONDITION", "has 0 dimensions"),
        ({"text": strings(b"a")}, "joined", "FAILED_PRECONDITION", "has 0 dimensions"),
    ],
)
def test_what_has_no_batch_is_refused(batching: Server, inputs, signature, code, text):
    with pytest.raises(grpc.RpcError) as caught:
        batching.predict(inputs, "types", signature)
    assert (caught.value.code().name, text in caught.value.details()) == (code, True)


def test_inputs_of_different_length_are_refused(batching: Server):
    with pytest.raises(grpc.RpcError, match="equal 0th-dimension size"):
        batching.predict({"x": np.float32([1]), "k": np.int64([[1, 2]] * 2)}, "half", "sum")


def test_classification_over_rest(batching: Server):
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}, {"x": 4.0}]}
    assert batching.rest("/v1/models/tf1:classify", body)[0] == 200


def test_a_client_that_leaves_is_not_run(batching: Server, gate: Gate):
    request = predict_pb2.PredictRequest(model_spec=spec("types", "batch"))
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([1, 2, 3])))
    with grpc.insecure_channel(batching.address, [("grpc.use_local_subchannel_pool", 1)]) as own:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(own)
        leaving = stub.Predict.future(request)
        wait_until(lambda: waiting(batching) == 3)
    assert leaving.code() is grpc.StatusCode.CANCELLED
    gate.open()
    assert batch(batching, 1)[0] == [1]


def test_only_who_is_still_there_is_run(tmp_path: Path):
    sizes = []

    class Model:
        def run(self, feeds: Any, arrays: Any, fetches: Any) -> Any:
            sizes.append(len(arrays[0]))
            return list(arrays)

    class Workers:
        async def run(self, version: Version, work: Any) -> Any:
            return work()

    async def scene() -> None:
        version = Version("m", 1, tmp_path, servable=Model())
        parameters = BatchingParameters(max_batch_size=8, batch_timeout_micros=1_000_000)
        runner = BatchingRunner(parameters, Workers(), ServerMetrics())

        def ask(count: int) -> asyncio.Task[Any]:
            call = Call("Predict", ("x",), (np.zeros(count, np.float32),), ("y",), list)
            return asyncio.create_task(runner.run(version, call))

        leaving, staying = ask(3), ask(1)
        await asyncio.sleep(0.5)  # by a clock that moves at once
        leaving.cancel()
        assert [len(output) for output in await staying] == [1]
        assert leaving.cancelled()

    run_in_virtual_time(scene())
    assert sizes == [1]


def test_parameters(tmp_path: Path):
    path = tmp_path / "batching.config"
    path.write_text(
        """
        # what is left out has TensorFlow Serving's default
        max_batch_size { value: 4 }
        batch_timeout_micros { value: 100000 }
        max_enqueued_batches { value: 3 }
        num_batch_threads { value: 1 }
        allowed_batch_sizes: [2, 4]
        """
    )
    assert read_batching_parameters(path) == BatchingParameters(4, 100_000, 3, 1, (2, 4))
    path.write_text("")
    assert read_batching_parameters(path) == BatchingParameters()


@pytest.mark.parametrize(
    "text",
    [
        "max_batch_size { value: 0 }",
        "max_batch_size { value: 4 } allowed_batch_sizes: 2",
        "allowed_batch_sizes: [4, 2]",
        "max_batchsize { value: 4 }",
        "max_batch_size: 4",
        "batch_timeout_micros { value: -1 }",
    ],
)
def test_wrong_parameters_are_refused(tmp_path: Path, text):
    path = tmp_path / "batching.config"
    path.write_text(text)
    with pytest.raises(PipelineError):
        read_batching_parameters(path)
