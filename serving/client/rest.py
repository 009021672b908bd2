"""TensorFlow Serving's REST, over httpx; imports no TensorFlow."""

import base64
import json
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from components.errors import UsageError
from serving.client.address import Address
from serving.client.errors import ServingError
from serving.client.results import Row, VersionStatus
from serving.client.transport import MOST_ANSWER_BYTES, Access, ModelSpec, Waiting

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_NO_HTTP = "illegal"
"""In what h11 says of an answer that does not begin as HTTP/1.1 does."""


class _TooLargeError(Exception):
    """An answer that has no end."""


class _Answer:
    """An answer that is being read: it may have so many bytes, and must be there in time."""

    def __init__(self, timeout: float) -> None:
        self.status = 0
        self._until = time.monotonic() + timeout
        self._content = bytearray()

    def take(self, piece: bytes) -> None:
        # Read piece by piece: httpx's time limit is one for each piece.
        self._content += piece
        if len(self._content) > MOST_ANSWER_BYTES:
            raise _TooLargeError
        if time.monotonic() > self._until:
            raise httpx.ReadTimeout("the answer took too long")

    def parsed(self) -> Any:
        try:
            return json.loads(self._content)
        except (ValueError, RecursionError):
            return None


class _Rest(ABC):
    """REST to one server; how its answers are waited for, its classes say."""

    def __init__(self, address: Address, access: Access, waiting: Waiting) -> None:
        """Prepares the connections.

        Args:
            address: A URL.
            access: Headers and certificates.
            waiting: The client's.

        Raises:
            PipelineError: A certificate cannot be read, or a header cannot be sent.
        """
        self.address, self._other = address.target, address.other
        self.closed = False
        self._models = f"{address.target}/v1/models"
        self._waiting = waiting
        self._open(
            headers=access.headers(),
            verify=_tls(access) if address.tls else False,
            # A proxy of the environment is for other machines.
            trust_env=not address.local,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )

    @abstractmethod
    def _open(self, **settings: Any) -> None:
        """Makes the connections."""

    @abstractmethod
    async def _receive(self, method: str, url: str, body: bytes | None, timeout: float) -> _Answer:
        """Sends a request and receives the answer."""

    async def predict(
        self, spec: ModelSpec, signature: str, images: Sequence[bytes], timeout: float
    ) -> tuple[Sequence[Row], int | None]:
        """Asks for one batch, in row format; see `Transport`."""
        body = await self._waiting.aside(_body, signature, images)
        answer = await self._ask("POST", f"{self._path(spec)}:predict", timeout, body)
        rows = answer.get("predictions")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._wrong("the answer has no predictions by name")
        try:
            return [{name: decoded(value) for name, value in row.items()} for row in rows], (
                spec.version
            )
        except ValueError as error:
            raise self._wrong("the answer has a string that is not base64") from error

    async def status(self, spec: ModelSpec, timeout: float) -> list[VersionStatus]:
        """Asks for the states of the versions; see `Transport`."""
        answer = await self._ask("GET", self._path(spec), timeout)
        try:
            return [
                VersionStatus(
                    version=int(one["version"]),
                    state=str(one["state"]),
                    error_code=str(one["status"]["error_code"]),
                    error_message=str(one["status"]["error_message"]),
                )
                for one in answer["model_version_status"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong("the answer is not a model status") from error

    def _path(self, spec: ModelSpec) -> str:
        path = f"{self._models}/{quote(spec.model, safe='')}"
        if spec.version is not None:
            return f"{path}/versions/{spec.version}"
        if spec.label is not None:
            return f"{path}/labels/{quote(spec.label, safe='')}"
        return path

    async def _ask(
        self, method: str, url: str, timeout: float, body: bytes | None = None
    ) -> dict[str, Any]:
        with self._told(timeout):
            received = await self._receive(method, url, body, timeout)
        answer = await self._waiting.aside(received.parsed)
        if received.status != httpx.codes.OK:
            said = answer.get("error") if isinstance(answer, dict) else None
            detail = (
                f"HTTP status {received.status} without the words of a model server: does another "
                "program, such as a proxy, answer there?"
            )
            code = _CODES.get(received.status, "UNKNOWN")
            raise ServingError(code, str(said or detail), self.address)
        if not isinstance(answer, dict):
            raise self._wrong("the answer is not a JSON object: is that a model server?")
        return answer

    @contextmanager
    def _told(self, timeout: float) -> Iterator[None]:
        """What goes wrong on the way, as what gRPC would call it."""
        try:
            yield
        except httpx.TimeoutException as error:
            detail = f"no answer within {timeout:.3g} s"
            raise ServingError("DEADLINE_EXCEEDED", detail, self.address) from error
        except _TooLargeError as error:
            detail = f"the answer has more bytes than the limit of {MOST_ANSWER_BYTES:,}"
            raise ServingError("RESOURCE_EXHAUSTED", detail, self.address) from error
        except httpx.DecodingError as error:
            raise self._wrong(f"the answer is not packed as it says: {error}") from error
        except httpx.RemoteProtocolError as error:
            if _NO_HTTP not in str(error):
                raise ServingError("UNAVAILABLE", f"no answer: {error}", self.address) from error
            raise ServingError(
                "UNIMPLEMENTED",
                "what answers there does not speak REST, which usually has port 8501. For gRPC, "
                f"give {self._other}.",
                self.address,
            ) from error
        except httpx.TransportError as error:
            detail = f"no connection: {str(error) or type(error).__name__}"
            raise ServingError("UNAVAILABLE", detail, self.address) from error

    def _wrong(self, detail: str) -> ServingError:
        return ServingError("UNKNOWN", detail, self.address)


class RestTransport(_Rest):
    """REST that blocks."""

    def _open(self, **settings: Any) -> None:
        self._http = httpx.Client(**settings)

    async def _receive(self, method: str, url: str, body: bytes | None, timeout: float) -> _Answer:
        answer = _Answer(timeout)
        with self._http.stream(method, url, content=body, timeout=timeout) as response:
            for piece in response.iter_bytes():
                answer.take(piece)
        answer.status = response.status_code
        return answer

    async def close(self) -> None:
        """Ends the connections."""
        self.closed = True
        self._http.close()


class AsyncRestTransport(_Rest):
    """REST that lets others run while it waits."""

    def _open(self, **settings: Any) -> None:
        self._http = httpx.AsyncClient(**settings)

    async def _receive(self, method: str, url: str, body: bytes | None, timeout: float) -> _Answer:
        answer = _Answer(timeout)
        async with self._http.stream(method, url, content=body, timeout=timeout) as response:
            async for piece in response.aiter_bytes():
                answer.take(piece)
        answer.status = response.status_code
        return answer

    async def close(self) -> None:
        """Ends the connections."""
        self.closed = True
        await self._http.aclose()


def _body(signature: str, images: Sequence[bytes]) -> bytes:
    rows = [{"b64": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"signature_name": signature, "instances": rows}).encode()


def decoded(value: Any) -> Any:
    """A value of JSON; that of bytes is decoded. A ValueError: it is not base64."""
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(str(value["b64"]), validate=True)
    return value


def _tls(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca)
        if access.certificate is not None:
            context.load_cert_chain(access.certificate, access.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"A certificate file cannot be used: {error}.") from error
    return context
