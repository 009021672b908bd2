"""The REST interface: TensorFlow Serving's paths and JSON, on Starlette and uvicorn.

The paths and their errors are those of `http_rest_api_util.cc` in tensorflow/serving.
"""

import asyncio
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, cast
from urllib.parse import quote, unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from components.servable import DEFAULT_SIGNATURE
from serving.server.configuration import Configuration
from serving.server.errors import Code, StatusError, as_status_error, invalid_argument
from serving.server.inference import REQUESTS, SIGNATURE_DEF, Inference
from serving.server.json_document import parse_object, signature_name
from serving.server.json_responses import WRITERS, error_json, metadata_json, status_json
from serving.server.json_tensors import fill_example_request, fill_predict_request

_MODEL = r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?"
_POST = re.compile(rf"{_MODEL}:(classify|regress|predict)", re.IGNORECASE | re.ASCII)
_GET = re.compile(rf"{_MODEL}(/metadata)?", re.IGNORECASE | re.ASCII)
_MOST_BYTES = 2**28
"""Of a body, packed or not."""
_MOST_HELD = 2**28
"""Bytes of all bodies that are not yet answered."""
_PRINTABLE = "/:%?&=+,;@!$'()*~[]"
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


class _TooLargeError(StatusError):
    """A body that is not read."""

    def __init__(self) -> None:
        super().__init__(
            Code.RESOURCE_EXHAUSTED, f"The body is too large: it has more than {_MOST_BYTES} bytes."
        )
        self.http_status = 413


class RestApi:
    """Answers REST requests from `Inference`, each in `timeout` seconds; None: in any time."""

    def __init__(self, inference: Inference, configuration: Configuration) -> None:
        flags = configuration.flags
        self.timeout = flags.rest_api_timeout_in_ms / 1000 or None
        self._inference = inference
        self._metrics_path = configuration.metrics_path
        self._headers = _CORS if flags.rest_api_enable_cors_support else {}
        self._convert = inference.conversion.run
        self._held = 0

    def app(self) -> Starlette:
        """The ASGI application."""
        methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
        return Starlette(routes=[Route("/{path:path}", self._endpoint, methods=methods)])

    async def _endpoint(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
        if request.url.path == self._metrics_path:
            return Response(self._inference.metrics.text(), media_type="text/plain")
        if not path.lower().startswith("/v1/"):
            return Response("Not Found", 404, media_type="text/plain")
        if request.method == "OPTIONS" and self._headers:
            return Response(headers=self._headers)
        try:
            body = await asyncio.wait_for(self._answer(request, path), self.timeout)
            return self._response(body, 200)
        except (TimeoutError, asyncio.TimeoutError):
            error = StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")
        except asyncio.CancelledError:
            error = StatusError(Code.UNAVAILABLE, "The server is shutting down.")
        except ClientDisconnect:
            error = StatusError(Code.CANCELLED, "The client has disconnected.")
        except Exception as raised:  # noqa: BLE001  (every failure has a status and a text)
            error = as_status_error(raised)
        return self._response(error_json(error), error.http_status)

    def _response(self, body: bytes, status: int) -> Response:
        return Response(body, status, headers=self._headers, media_type="application/json")

    async def _answer(self, request: Request, path: str) -> bytes:
        if request.method == "POST" and (match := _POST.fullmatch(path)) and match[1]:
            spec = _model_spec(match)
            chunks: list[bytes] = []
            try:
                await self._read(request, chunks)
                chunks[:] = [b"".join(chunks)]
                return await self._run(match[4].title(), spec, request, chunks[0])
            finally:
                self._held -= sum(map(len, chunks))
        if request.method == "GET" and (match := _GET.fullmatch(path)):
            if not match[1]:
                raise invalid_argument("Missing model name in request.")
            spec = _model_spec(match)
            if match[4]:
                asked = REQUESTS["GetModelMetadata"](
                    model_spec=spec, metadata_field=[SIGNATURE_DEF]
                )
                return metadata_json(await self._inference.metadata(asked))
            asked = REQUESTS["GetModelStatus"](model_spec=spec)
            return status_json(await self._inference.status(asked))
        raise invalid_argument(
            f"Malformed request: {request.method} {quote(path, safe=_PRINTABLE)}"
        )

    async def _read(self, request: Request, chunks: list[bytes]) -> None:
        """Reads a body, as long as there is room for it: it may be too large, or all of them."""
        if int(request.headers.get("content-length", 0)) > _MOST_BYTES:
            raise _TooLargeError
        size = 0
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            self._held += len(chunk)
            if size > _MOST_BYTES:
                raise _TooLargeError
            if self._held > _MOST_HELD:
                raise StatusError(Code.UNAVAILABLE, "Too many bytes wait to be read.")

    async def _run(self, api: str, spec: Mapping[str, Any], request: Request, body: bytes) -> bytes:
        packed = request.headers.get("content-encoding", "").lower() == "gzip"
        message, write = REQUESTS[api](model_spec=spec), WRITERS[api]
        predict = api == "Predict"
        signatures = await self._signatures(message.model_spec) if predict else {}

        def read() -> tuple[int, str]:
            text = _unpacked(body) if packed else body
            document = parse_object(text)
            message.model_spec.signature_name = signature_name(document)
            if not predict:
                fill_example_request(document, message)
                return len(text), ""
            inputs = _inputs(signatures, message.model_spec.signature_name)
            return len(text), fill_predict_request(document, inputs, message)

        # At once: what is unpacked and parsed takes many times the body, and does not wait.
        size, layout = await self._convert(_MOST_BYTES if packed else len(body), read)
        if layout:
            write = partial(write, layout=layout)
        return await self._inference.infer(api, message, size, "REST", write)

    async def _signatures(self, spec: Any) -> Mapping[str, Any] | StatusError:
        """Those of the version that is meant, or why there is none: bad JSON is told first."""
        try:
            version = await self._inference.core.version(spec)
        except StatusError as error:
            return error
        assert version.servable is not None
        return version.servable.signatures


def _inputs(signatures: Mapping[str, Any] | StatusError, name: str) -> Mapping[str, Any]:
    """The TensorInfo of each of a signature's inputs."""
    if isinstance(signatures, StatusError):
        raise signatures
    name = name or DEFAULT_SIGNATURE
    signature = signatures.get(name)
    if signature is None:
        raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
    if not signature.inputs:
        raise invalid_argument(f"Failed to get input map for signature: {name}")
    return dict(signature.inputs)


class _Protocol(H11Protocol):
    """A connection that is ended if its client has long not asked anything.

    A request is given up while it is answered, if it is late. The rest is here: a head that never
    ends, what is still sent of a request that has its answer, and silence on a new connection.
    """

    def __init__(self, seconds: float | None, **given: Any) -> None:
        super().__init__(**given)
        self._seconds = seconds
        self._end: asyncio.TimerHandle | None = None

    # uvicorn's own signature, which is narrower than asyncio's.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel()

    def _watch(self) -> None:
        if not getattr(self.cycle, "response_complete", True):  # something is answered
            self._cancel()
        elif self._end is None and self._seconds:
            self._end = self.loop.call_later(self._seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._end:
            self._end.cancel()
            self._end = None


class RestServer(uvicorn.Server):
    """Uvicorn, with the signals left to us; requests in flight have `drain_seconds` at the end."""

    def __init__(self, api: RestApi, drain_seconds: int) -> None:
        config = uvicorn.Config(
            api.app(),
            http=cast("type[H11Protocol]", partial(_Protocol, api.timeout)),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=drain_seconds,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes no signal."""
        yield


def _model_spec(match: re.Match[str]) -> dict[str, Any]:
    """The fields of the ModelSpec that a path names."""
    name, version, label = match[1], match[2], match[3]
    spec: dict[str, Any] = {"name": _decoded(name, "name")}
    if version:
        digits = version.lstrip("0") or "0"
        # Python converts no text of thousands of digits.
        if len(digits) > 19 or int(digits) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec["version"] = {"value": int(digits)}
    if label:
        spec["version_label"] = _decoded(label, "version label")
    return spec


def _decoded(text: str, what: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise invalid_argument(f"Failed to decode model {what}:{text}") from None


def _unpacked(body: bytes) -> bytes:
    """What a gzip body holds, or an error if it is not gzip, or too large."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, _MOST_BYTES)
    except zlib.error:
        raise invalid_argument("The body is not gzip.") from None
    if unpacker.unconsumed_tail:
        raise _TooLargeError
    if not unpacker.eof:
        raise invalid_argument("The body is not gzip, or is not complete.")
    return unpacked
