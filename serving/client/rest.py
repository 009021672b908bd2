"""TensorFlow Serving's REST, over httpx; imports no TensorFlow."""

import base64
import json
import ssl
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np

from components.errors import PipelineError
from serving.client.address import Address
from serving.client.errors import ServingError
from serving.client.results import Outputs, VersionStatus
from serving.client.transport import Access, ModelSpec

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
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_LONGEST_DETAIL = 1024


class RestTransport:
    """REST to one server, over connections that are kept."""

    def __init__(self, address: Address, access: Access) -> None:
        """Prepares the connections.

        Args:
            address: A URL.
            access: Headers and certificates.

        Raises:
            PipelineError: A certificate cannot be read.
        """
        self._models = f"{address.target}/v1/models"
        self._http = httpx.Client(
            headers=access.headers(),
            verify=_tls(access) if address.tls else False,
            # A proxy of the environment is for other machines.
            trust_env=not address.local,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )

    def predict(
        self, spec: ModelSpec, signature: str, images: Sequence[bytes], timeout: float
    ) -> tuple[Outputs, int | None]:
        """Asks for one batch, in row format; see `Transport`."""
        body = {
            "signature_name": signature,
            "instances": [{"b64": base64.b64encode(image).decode()} for image in images],
        }
        answer = self._ask(
            "POST", f"{self._path(spec)}:predict", timeout, json.dumps(body).encode()
        )
        rows = answer.get("predictions")
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise ServingError("UNKNOWN", "the answer has no predictions by name")
        names = set(rows[0])
        if any(set(row) != names for row in rows):
            raise ServingError("UNKNOWN", "the rows of the answer differ in their outputs")
        outputs = {name: _column([_decoded(row[name]) for row in rows]) for name in names}
        return outputs, spec.version

    def status(self, spec: ModelSpec, timeout: float) -> list[VersionStatus]:
        """Asks for the states of the versions; see `Transport`."""
        answer = self._ask("GET", self._path(spec), timeout)
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
            raise ServingError("UNKNOWN", "the answer is not a model status") from error

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def _path(self, spec: ModelSpec) -> str:
        path = f"{self._models}/{quote(spec.model, safe='')}"
        if spec.version is not None:
            return f"{path}/versions/{spec.version}"
        if spec.label is not None:
            return f"{path}/labels/{quote(spec.label, safe='')}"
        return path

    def _ask(self, method: str, url: str, timeout: float, body: bytes | None = None) -> Any:
        until = time.monotonic() + timeout
        try:
            # Read piece by piece: httpx's time limit is one for each piece.
            with self._http.stream(method, url, content=body, timeout=timeout) as response:
                pieces = []
                for piece in response.iter_bytes():
                    pieces.append(piece)
                    if time.monotonic() > until:
                        raise httpx.ReadTimeout("the answer took too long")
        except httpx.TimeoutException as error:
            raise ServingError("DEADLINE_EXCEEDED", f"no answer within {timeout:.3g} s") from error
        except httpx.TransportError as error:
            raise ServingError("UNAVAILABLE", f"no connection: {error}") from error
        return _parsed(response, b"".join(pieces))


def _parsed(response: httpx.Response, content: bytes) -> Any:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if response.status_code != httpx.codes.OK:
        said = answer.get("error") if isinstance(answer, dict) else None
        code = _CODES.get(response.status_code, "UNKNOWN")
        detail = str(said or f"HTTP status {response.status_code}")[:_LONGEST_DETAIL]
        raise ServingError(code, detail)
    if not isinstance(answer, dict):
        raise ServingError("UNKNOWN", "the answer is not a JSON object: is that a model server?")
    return answer


def _decoded(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"])
    return value


def _column(values: list[Any]) -> np.ndarray[Any, Any]:
    if isinstance(values[0], bytes):
        # Fixed-width bytes would lose zeros at the end.
        column = np.empty(len(values), object)
        column[:] = values
        return column
    return np.asarray(values)


def _tls(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca)
        if access.certificate is not None:
            context.load_cert_chain(access.certificate, access.key)
    except (OSError, ssl.SSLError) as error:
        raise PipelineError(f"A certificate file cannot be used: {error}.") from error
    return context
