"""TensorFlow Serving's two protocols, as far as the check speaks them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import httpx
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

MODEL = "candidate"
"""The name under which the server offers the model."""
SIGNATURE = "serving_default"

Probabilities: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
"""float32, shape [images, classes]."""

_State = get_model_status_pb2.ModelVersionStatus.State


@dataclass(frozen=True)
class Endpoints:
    """Where a server listens.

    Attributes:
        grpc: `HOST:PORT`.
        rest: `HOST:PORT`.
    """

    grpc: str
    rest: str


class RefusedError(Exception):
    """The server gave no result, because of the model; the message is its own, in one line."""


class UndecidedError(Exception):
    """The server gave no result, perhaps because of the machine or the moment.

    The message says how; it says nothing of the model that could be remembered.
    """


_OF_THE_MODEL = {
    tf.errors.INVALID_ARGUMENT: httpx.codes.BAD_REQUEST,
    tf.errors.FAILED_PRECONDITION: httpx.codes.BAD_REQUEST,
    tf.errors.OUT_OF_RANGE: httpx.codes.BAD_REQUEST,
    tf.errors.ALREADY_EXISTS: httpx.codes.CONFLICT,
    tf.errors.UNIMPLEMENTED: httpx.codes.NOT_IMPLEMENTED,
    tf.errors.DATA_LOSS: None,
}
"""Codes that a busy machine, a lack of memory or a lost connection does not give, and REST's.

A file that is "not found" may be one that could not be looked at.
"""


def no_result(code: int, message: str) -> RefusedError | UndecidedError:
    """What it means that there is an error instead of a result.

    Args:
        code: TensorFlow's, which are gRPC's too.
        message: What to say.

    Returns:
        What to raise.
    """
    return RefusedError(message) if code in _OF_THE_MODEL else UndecidedError(message)


class GrpcWire:
    """gRPC to the server."""

    name = "gRPC"

    def __init__(self, endpoints: Endpoints, timeout: float) -> None:
        """Prepares a channel.

        Args:
            endpoints: The server's.
            timeout: Seconds for each request.
        """
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        ]
        self._channel = grpc.insecure_channel(endpoints.grpc, options)
        self._predict = prediction_service_pb2_grpc.PredictionServiceStub(self._channel).Predict
        self._status = model_service_pb2_grpc.ModelServiceStub(self._channel).GetModelStatus
        self._timeout = timeout

    def predict(self, images: Sequence[bytes]) -> Probabilities:
        """Asks for probabilities.

        Raises:
            RefusedError: The server gave none, because of the model.
            UndecidedError: It gave none, perhaps because of the moment.
        """
        request = predict_pb2.PredictRequest()
        request.model_spec.name = MODEL
        request.model_spec.signature_name = SIGNATURE
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(list(images), tf.string))
        try:
            response = self._predict(request, timeout=self._timeout)
        except grpc.RpcError as error:
            code = error.code()
            raise no_result(code.value[0], f"{code.name}: {_line(error.details())}") from error
        if "probabilities" not in response.outputs:
            raise RefusedError("the answer has no probabilities")
        return np.asarray(tf.make_ndarray(response.outputs["probabilities"]), np.float32)

    def load_state(self) -> tuple[str, int, str]:
        """The state of the model's only version, and code and words of what went wrong with it."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = MODEL
        try:
            versions = self._status(request, timeout=self._timeout).model_version_status
        except grpc.RpcError:
            return "", 0, ""  # the server is not there yet
        if not versions:
            return "", 0, ""
        status = versions[0].status
        return _State.Name(versions[0].state), status.error_code, _line(status.error_message)

    def close(self) -> None:
        """Ends the channel."""
        self._channel.close()


class RestWire:
    """REST to the server."""

    name = "REST"

    def __init__(self, endpoints: Endpoints, timeout: float) -> None:
        """Prepares a connection.

        Args:
            endpoints: The server's.
            timeout: Seconds for each request.
        """
        self._http = httpx.Client(
            base_url=f"http://{endpoints.rest}", timeout=timeout, trust_env=False
        )

    def predict(self, images: Sequence[bytes]) -> Probabilities:
        """Asks for probabilities.

        Raises:
            RefusedError: The server gave none, because of the model.
            UndecidedError: It gave none, perhaps because of the moment.
        """
        rows = [{"b64": base64.b64encode(image).decode()} for image in images]
        try:
            response = self._http.post(
                f"/v1/models/{MODEL}:predict",
                json={"signature_name": SIGNATURE, "instances": rows},
            )
            if response.status_code != httpx.codes.OK:
                of_model = response.status_code in _OF_THE_MODEL.values()
                message = f"status {response.status_code}: {_error_in(response)}"
                raise RefusedError(message) if of_model else UndecidedError(message)
            rows = response.json()["predictions"]
            return np.asarray([row["probabilities"] for row in rows], np.float32)
        except httpx.HTTPError as error:
            raise UndecidedError(_line(str(error)) or type(error).__name__) from error
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError("the answer has no probabilities") from error

    def close(self) -> None:
        """Ends the connection."""
        self._http.close()


def _error_in(response: httpx.Response) -> str:
    try:
        return _line(response.json()["error"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _line(response.text)


def _line(text: str | None) -> str:
    """The beginning of a message, on one line."""
    return " ".join((text or "").split())[:300]
