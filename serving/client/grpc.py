"""TensorFlow Serving's gRPC, without TensorFlow.

Imported by the clients when an address asks for gRPC, never before.
"""

from asyncio import CancelledError
from collections.abc import Callable, Sequence
from inspect import isawaitable
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc

from components.errors import path_error
from serving.client.address import Address
from serving.client.errors import ServingError
from serving.client.messages import (
    STATES,
    GetModelStatusResponse,
    PredictResponse,
    array_of,
    model_spec,
    predict_request,
    status_request,
)
from serving.client.results import Row, VersionStatus
from serving.client.transport import MOST_ANSWER_BYTES, Access, ModelSpec, Waiting

PREDICT = "/tensorflow.serving.PredictionService/Predict"
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_NO_HTTP_2 = ("http1.x", "Failed parsing HTTP/2")
"""In what gRPC says of an answer that is none of HTTP/2."""


class GrpcTransport:
    """gRPC to one server, over one channel."""

    def __init__(
        self, address: Address, access: Access, waiting: Waiting, library: ModuleType = grpc
    ) -> None:
        """Prepares the channel.

        Args:
            address: `HOST:PORT` or a unix socket.
            access: Metadata and certificates.
            waiting: The client's.
            library: `grpc`, which blocks, or `grpc.aio`, which gives what can be awaited.

        Raises:
            PipelineError: A certificate cannot be read, or a header cannot be sent.
        """
        self.address, self._other = address.target, address.other
        self.closed = False
        self._metadata = access.headers()
        self._waiting = waiting
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", MOST_ANSWER_BYTES),
            ("grpc.enable_retries", 0),  # the client does that
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            # A proxy of the environment is for other machines.
            ("grpc.enable_http_proxy", int(not address.local)),
        ]
        if address.tls:
            self._channel = library.secure_channel(address.target, _tls(access), options)
        else:
            self._channel = library.insecure_channel(address.target, options)
        self._predict = self._method(PREDICT, PredictResponse)
        self._status = self._method(_STATUS, GetModelStatusResponse)

    async def predict(
        self, spec: ModelSpec, signature: str, images: Sequence[bytes], timeout: float
    ) -> tuple[Sequence[Row], int | None]:
        """Asks for one batch; see `Transport`."""
        request = predict_request(_spec(spec), signature, images)
        response = await self._ask(self._predict, request, timeout)
        rows = await self._waiting.aside(self._rows, response, len(images))
        answered = response.model_spec
        return rows, int(answered.version.value) if answered.HasField("version") else spec.version

    async def status(self, spec: ModelSpec, timeout: float) -> list[VersionStatus]:
        """Asks for the states of the versions; see `Transport`."""
        response = await self._ask(self._status, status_request(_spec(spec)), timeout)
        found = [
            VersionStatus(
                version=int(one.version),
                state=STATES.get(one.state, str(one.state)),
                error_code=_code_name(int(one.status.error_code)),
                error_message=one.status.error_message,
            )
            for one in response.model_version_status
        ]
        return sorted(found, key=lambda one: -one.version)

    def _method(self, path: str, answer: Any) -> Callable[..., Any]:
        method: Callable[..., Any] = self._channel.unary_unary(
            path,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return method

    async def close(self) -> None:
        """Ends the channel."""
        self.closed = True
        await _there(self._channel.close())

    async def _ask(self, method: Callable[..., Any], request: Any, timeout: float) -> Any:
        try:
            answer = await _there(method(request, timeout=timeout, metadata=self._metadata))
        except grpc.RpcError as error:
            code, detail = error.code().name, error.details() or "no reason given"
            if any(one in detail for one in _NO_HTTP_2):
                code = "UNIMPLEMENTED"
                detail = (
                    "what answers there does not speak gRPC, which usually has port 8500. For "
                    f"REST, give {self._other}."
                )
            raise ServingError(code, detail, self.address) from error
        except CancelledError:
            if self.closed:  # which is how grpc.aio ends what was on its way
                raise ServingError("CANCELLED", "the client was closed", self.address) from None
            raise
        if answer is None:  # what grpc.aio gives in the place of bytes that are no message
            raise ServingError("INTERNAL", "the answer is not a message", self.address)
        return answer

    def _rows(self, response: Any, count: int) -> list[Row]:
        columns = {}
        for name, tensor in response.outputs.items():
            try:
                columns[name] = _values(tensor)
            except (TypeError, ValueError, KeyError) as error:
                raise ServingError(
                    "UNKNOWN", f"{name} in the model's answer is not a tensor", self.address
                ) from error
        lengths = {name: len(one) for name, one in columns.items()}
        if wrong := next((name for name, length in lengths.items() if length != count), None):
            of = "image" if count == 1 else "images"
            raise ServingError(
                "UNKNOWN",
                f"{wrong} in the model's answer has {lengths[wrong]} rows for {count} {of}",
                self.address,
            )
        return [{name: one[row] for name, one in columns.items()} for row in range(count)]


async def _there(answer: Any) -> Any:
    """What a call of either library gives, once it is there."""
    return await answer if isawaitable(answer) else answer


def _values(tensor: Any) -> Sequence[Any]:
    """A tensor as nested lists; as an array if it has more than two dimensions.

    Raises:
        ValueError, KeyError: As `array_of`.
    """
    array = array_of(tensor)
    rows: Sequence[Any] = array if array.ndim > 2 else array.tolist()  # type: ignore[assignment]
    return rows


def _spec(spec: ModelSpec) -> Any:
    return model_spec(spec.model, spec.version, spec.label)


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
        raise path_error(error)(f"The certificate file {path} cannot be read: {error}.") from error
