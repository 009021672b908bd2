"""Dynamic batching: what is merged, split, padded, refused, and kept from each other."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from model_server import Server, strings

from components.errors import PipelineError
from serving.server.batching_config import BatchingParameters, read_batching_parameters

pytestmark = pytest.mark.long


def batch(server: Server, *values: float) -> tuple[list[float], list[int]]:
    response = server.predict({"x": np.float32(values)}, "types", "batch")
    return list(response.outputs["x"].float_val), list(response.outputs["size"].int_val)


def test_requests_that_come_together_run_together(batching: Server):
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda x: batch(batching, x), range(4)))
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


def test_a_full_queue_is_unavailable_and_recovers(batching: Server):
    work = np.float32([300] * 4)

    def ask(_):
        try:
            batching.predict({"x": work}, "heavy", timeout=60)
            return grpc.StatusCode.OK, ""
        except grpc.RpcError as error:
            return error.code(), error.details()

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(ask, range(16)))
    refused = [text for code, text in answers if code is grpc.StatusCode.UNAVAILABLE]
    assert len(refused) + sum(code is grpc.StatusCode.OK for code, _ in answers) == 16
    assert refused
    assert all(
        "The batch scheduling queue to which this task was submitted is full" in text
        for text in refused
    )
    status, text = batching.rest("/v1/models/heavy:predict", {"instances": [1.0] * 1000})
    assert (status, "queue" in text) == (503, True)
    assert batch(batching, 1) == ([1], [2])


@pytest.mark.parametrize(
    ("inputs", "signature", "code", "text"),
    [
        ({"any": np.float32(1)}, "any_shape", "INVALID_ARGUMENT", "at least one dimension"),
        ({"x": np.float32([1])}, "total", "FAILED_PRECONDITION", "has 0 dimensions"),
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


def test_a_client_that_leaves_is_not_run(batching: Server):
    with pytest.raises(grpc.RpcError):
        batching.predict({"x": np.float32([1])}, "types", "batch", timeout=0.02)
    assert batch(batching, 1) == ([1], [2])


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
