"""TensorFlow Serving's gRPC; the protocol's stubs, and with them TensorFlow, come with this module.

Imported by the client when an address asks for gRPC, never before.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from components.errors import PipelineError
from serving.client.address import Address
from serving.client.errors import ServingError
from serving.client.results import Outputs, VersionStatus
from serving.client.transport import Access, ModelSpec

_State = get_model_status_pb2.ModelVersionStatus.State


class GrpcTransport:
    """gRPC to one server, over one channel."""

    def __init__(self, address: Address, access: Access) -> None:
        """Prepares the channel.

        Args:
            address: `HOST:PORT` or a unix socket.
            access: Metadata and certificates.

        Raises:
            PipelineError: A certificate cannot be read.
        """
        self._metadata = access.headers()
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.enable_retries", 0),  # the client does that
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            # A proxy of the environment is for other machines.
            ("grpc.enable_http_proxy", int(not address.local)),
        ]
        if address.tls:
            self._channel = grpc.secure_channel(address.target, _tls(access), options)
        else:
            self._channel = grpc.insecure_channel(address.target, options)
        self._predict = prediction_service_pb2_grpc.PredictionServiceStub(self._channel).Predict
        self._status = model_service_pb2_grpc.ModelServiceStub(self._channel).GetModelStatus

    def predict(
        self, spec: ModelSpec, signature: str, images: Sequence[bytes], timeout: float
    ) -> tuple[Outputs, int | None]:
        """Asks for one batch; see `Transport`."""
        request = predict_pb2.PredictRequest(model_spec=_message(spec))
        request.model_spec.signature_name = signature
        tensor = request.inputs["image_bytes"]
        tensor.dtype = tf.string.as_datatype_enum
        tensor.tensor_shape.dim.add(size=len(images))
        tensor.string_val.extend(images)
        response = self._ask(self._predict, request, timeout)
        outputs = {name: tf.make_ndarray(value) for name, value in response.outputs.items()}
        return outputs, int(response.model_spec.version.value)

    def status(self, spec: ModelSpec, timeout: float) -> list[VersionStatus]:
        """Asks for the states of the versions; see `Transport`."""
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=_message(spec))
        response = self._ask(self._status, request, timeout)
        found = [
            VersionStatus(
                version=int(one.version),
                state=_State.Name(one.state),
                error_code=_code_name(int(one.status.error_code)),
                error_message=one.status.error_message,
            )
            for one in response.model_version_status
        ]
        return sorted(found, key=lambda one: -one.version)

    def close(self) -> None:
        """Ends the channel."""
        self._channel.close()

    def _ask(self, method: Callable[..., Any], request: Any, timeout: float) -> Any:
        try:
            return method(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise ServingError(error.code().name, error.details() or "no reason given") from error


def _message(spec: ModelSpec) -> Any:
    message = model_pb2.ModelSpec(name=spec.model)
    if spec.version is not None:
        message.version.value = spec.version
    elif spec.label is not None:
        message.version_label = spec.label
    return message


def _code_name(number: int) -> str:
    return next((str(c.name) for c in grpc.StatusCode if c.value[0] == number), "UNKNOWN")


def _tls(access: Access) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=_read(access.ca),
        private_key=_read(access.key),
        certificate_chain=_read(access.certificate),
    )


def _read(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise PipelineError(f"The certificate file {path} cannot be read: {error}.") from error
