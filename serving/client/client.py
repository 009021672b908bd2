"""The client: images in, results out, with a deadline and retries."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_before_delay

from components.errors import PipelineError
from components.servable import MODEL_NAME
from serving.client.address import Address
from serving.client.errors import ServingError
from serving.client.images import Image, encode_image
from serving.client.results import (
    Explanation,
    Outputs,
    Prediction,
    VersionStatus,
    read_explanations,
    read_predictions,
)
from serving.client.transport import Access, ModelSpec, Transport

_Result = TypeVar("_Result")
_Answer = TypeVar("_Answer")


class Client:
    """Asks a model server, TensorFlow Serving or the one that comes with this project.

    It may be used from several threads at once.
    """

    def __init__(
        self,
        address: str = "localhost:8500",
        *,
        model: str = MODEL_NAME,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 30.0,
        attempts: int = 5,
        batch_size: int = 16,
        token: str | None = None,
        metadata: Mapping[str, str] | None = None,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        """Prepares the connection; nothing is sent yet.

        Args:
            address: `HOST:PORT`, `grpc://`, `grpcs://` or `unix:` for gRPC, `http://` or `https://`
                for REST.
            model: The model's name.
            version: Ask this version only.
            label: Ask the version with this label only.
            timeout: Seconds that a request may take, retries included; more images than
                `batch_size` are several requests.
            attempts: How often a request is sent at most. Only `UNAVAILABLE` (503, no connection)
                is tried again, after a pause that grows.
            batch_size: How many images go in one request.
            token: Sent as a bearer token; refused without TLS, except on this machine.
            metadata: More headers for a proxy.
            ca: PEM file of the authorities that vouch for the server; default: the machine's.
            certificate: PEM file of the client's certificate, where the proxy wants one.
            key: PEM file of its private key.

        Raises:
            PipelineError: The address is of another form, a certificate cannot be read, the token
                would be sent unencrypted, or a number is out of its range.
        """
        parsed = Address.parse(address)
        if version is not None and label is not None:
            raise PipelineError("Ask for a version or for a label, not for both.")
        if timeout <= 0 or attempts < 1 or batch_size < 1:
            raise PipelineError("timeout, attempts and batch_size must be positive.")
        if token and not (parsed.tls or parsed.local):
            raise PipelineError(
                f"The token would be sent to {parsed.target} unencrypted: use grpcs:// or https://."
            )
        self._timeout, self._attempts, self._batch_size = timeout, attempts, batch_size
        self._spec = ModelSpec(model, version, label)
        access = Access(token, tuple((metadata or {}).items()), ca, certificate, key)
        self._transport = _transport(parsed, access)

    def predict(self, image: Image) -> Prediction:
        """Classifies one image.

        Args:
            image: The bytes of a file (JPEG, PNG, GIF, BMP, TIFF or DICOM), its path, or its
                pixels, uint8 [rows, columns] or [rows, columns, 3].

        Returns:
            The result.

        Raises:
            ImageError: The image cannot be read.
            ServingError: The server gave no result.
        """
        return self.predict_batch([image])[0]

    def predict_batch(self, images: Iterable[Image]) -> list[Prediction]:
        """Classifies images; see `predict`.

        They are read, sent and forgotten `batch_size` at a time. An image that the model cannot
        decode fails the call.
        """
        return list(self.stream(images))

    def stream(self, images: Iterable[Image]) -> Iterator[Prediction]:
        """The same as `predict_batch`, yielding results as they come."""
        return self._in_batches(images, "serving_default", read_predictions)

    def explain(self, image: Image) -> Explanation:
        """Classifies one image and shows where the model looked; see `predict`."""
        return self.explain_batch([image])[0]

    def explain_batch(self, images: Iterable[Image]) -> list[Explanation]:
        """Explains images; see `predict_batch`."""
        return list(self._in_batches(images, "explain", read_explanations))

    def status(self) -> list[VersionStatus]:
        """The states of the model's versions, the newest first.

        Raises:
            ServingError: The server gave none.
        """
        return self._retrying(lambda timeout: self._transport.status(self._spec, timeout))

    def of_version(self, version: int) -> "Client":
        """The same client, asking one version only; they share the connection, and its end.

        Args:
            version: The version.

        Returns:
            A client beside this one.
        """
        other = copy(self)
        other._spec = ModelSpec(self._spec.model, version)  # noqa: SLF001 - a copy of this one
        return other

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def __enter__(self) -> "Client":
        """Gives itself, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the connection."""
        self.close()

    def _in_batches(
        self,
        images: Iterable[Image],
        signature: str,
        read: Callable[[Outputs, int, int | None], list[_Result]],
    ) -> Iterator[_Result]:
        batch: list[bytes] = []
        for image in images:
            batch.append(encode_image(image))
            if len(batch) == self._batch_size:
                yield from self._ask(signature, batch, read)
                batch = []
        if batch:
            yield from self._ask(signature, batch, read)

    def _ask(
        self,
        signature: str,
        batch: Sequence[bytes],
        read: Callable[[Outputs, int, int | None], list[_Result]],
    ) -> list[_Result]:
        outputs, version = self._retrying(
            lambda timeout: self._transport.predict(self._spec, signature, batch, timeout)
        )
        return read(outputs, len(batch), version)

    def _retrying(self, send: Callable[[float], _Answer]) -> _Answer:
        until = time.monotonic() + self._timeout
        retrying = Retrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, ServingError) and error.unavailable
            ),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            stop=stop_after_attempt(self._attempts) | stop_before_delay(self._timeout),
            reraise=True,
        )
        return retrying(lambda: send(max(until - time.monotonic(), 1e-3)))


def _transport(address: Address, access: Access) -> Transport:
    """The half of the client that an address asks for; the other one's libraries stay away."""
    if address.protocol == "rest":
        from serving.client.rest import RestTransport

        return RestTransport(address, access)
    from serving.client.grpc import GrpcTransport

    return GrpcTransport(address, access)
