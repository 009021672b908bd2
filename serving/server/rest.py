"""The REST interface: TensorFlow Serving's paths and JSON, on Starlette.

The paths and their errors are those of `http_rest_api_util.cc` in tensorflow/serving.
"""

import asyncio
import re
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.server.errors import Code, StatusError, as_status_error, invalid_argument
from serving.server.inference import SIGNATURE_DEF, Inference
from serving.server.json_document import parse_object, signature_name
from serving.server.json_responses import (
    classification_json,
    error_json,
    metadata_json,
    predict_json,
    regression_json,
    status_json,
)
from serving.server.json_tensors import fill_example_request, fill_predict_request
from serving.server.servable import DEFAULT_SIGNATURE

_MODEL = r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?"
_POST = re.compile(rf"{_MODEL}:(classify|regress|predict)", re.IGNORECASE | re.ASCII)
_GET = re.compile(rf"{_MODEL}(/metadata)?", re.IGNORECASE | re.ASCII)
_MOST_BYTES = 2**28
"""Of a body, packed or not."""
_MOST_HELD = 2**29
"""Bytes of all bodies that are not yet answered."""
_INT64_DIGITS = 19
_ENTRYPOINT = "REST"
_PRINTABLE = "/:%?&=+,;@!$'()*~[]"
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}

_ON_EXAMPLES: Mapping[str, tuple[Callable[..., Any], Callable[[Any], bytes]]] = {
    "classify": (classification_pb2.ClassificationRequest, classification_json),
    "regress": (regression_pb2.RegressionRequest, regression_json),
}
"""The request of each method that takes tf.Examples, and what writes its response."""


class _TooLargeError(StatusError):
    """A body that is not read."""

    http_status = 413

    def __init__(self) -> None:
        super().__init__(
            Code.RESOURCE_EXHAUSTED, f"The body is too large: it has more than {_MOST_BYTES} bytes."
        )


class RestApi:
    """Answers REST requests from `Inference`."""

    def __init__(
        self,
        inference: Inference,
        metrics_path: str | None,
        timeout: float | None,
        *,
        allow_other_origins: bool = False,
    ) -> None:
        """Answers from here.

        Args:
            inference: What answers.
            metrics_path: Where metrics are read; None: nowhere.
            timeout: Seconds that a request may take; None: any time.
            allow_other_origins: Whether pages of other origins may call.
        """
        self._inference = inference
        self._metrics_path = metrics_path
        self._timeout = timeout
        self._headers = _CORS if allow_other_origins else {}
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
            body = await asyncio.wait_for(self._answer(request, path), self._timeout)
            return self._response(body, 200)
        except (TimeoutError, asyncio.TimeoutError):
            error = StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")
        except asyncio.CancelledError:
            error = StatusError(Code.UNAVAILABLE, "The server is shutting down.")
        except ClientDisconnect:
            error = StatusError(Code.CANCELLED, "The client has gone.")
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
                return await self._run(match[4].lower(), spec, request, chunks[0])
            finally:
                self._held -= sum(map(len, chunks))
        if request.method == "GET" and (match := _GET.fullmatch(path)):
            if not match[1]:
                raise invalid_argument("Missing model name in request.")
            return await (self._metadata if match[4] else self._status)(_model_spec(match))
        raise invalid_argument(
            f"Malformed request: {request.method} {quote(path, safe=_PRINTABLE)}"
        )

    async def _read(self, request: Request, chunks: list[bytes]) -> None:
        """Reads a body, as long as there is room for it.

        Raises:
            StatusError: It is too large, or with those of others it is.
        """
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

    async def _run(
        self, method: str, spec: Mapping[str, Any], request: Request, body: bytes
    ) -> bytes:
        if request.headers.get("content-encoding", "").lower() == "gzip":
            body = await self._convert(_MOST_BYTES, lambda: _unpacked(body))
        size = len(body)
        document = await self._convert(size, lambda: parse_object(body))
        if method == "predict":
            return await self._predict(spec, document, size)
        return await self._on_examples(method, spec, document, size)

    async def _predict(self, spec: Mapping[str, Any], document: Any, size: int) -> bytes:
        request = predict_pb2.PredictRequest(model_spec=spec)
        request.model_spec.signature_name = signature_name(document)
        inputs = await self._signature_inputs(request.model_spec)
        layout = await self._convert(size, lambda: fill_predict_request(document, inputs, request))
        return await self._inference.infer(
            "Predict", request, size, _ENTRYPOINT, partial(predict_json, layout=layout)
        )

    async def _signature_inputs(self, spec: Any) -> Mapping[str, Any]:
        version = await self._inference.core.version(spec)
        assert version.servable is not None
        name = spec.signature_name or DEFAULT_SIGNATURE
        signature = version.servable.signatures.get(name)
        if signature is None:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        if not signature.inputs:
            raise invalid_argument(f"Failed to get input map for signature: {name}")
        return dict(signature.inputs)

    async def _on_examples(
        self, method: str, spec: Mapping[str, Any], document: Any, size: int
    ) -> bytes:
        request_class, written = _ON_EXAMPLES[method]
        request = request_class(model_spec=spec)
        request.model_spec.signature_name = signature_name(document)
        await self._convert(size, lambda: fill_example_request(document, request))
        return await self._inference.infer(method.title(), request, size, _ENTRYPOINT, written)

    async def _status(self, spec: Mapping[str, Any]) -> bytes:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        return status_json(await self._inference.status(request))

    async def _metadata(self, spec: Mapping[str, Any]) -> bytes:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=spec, metadata_field=[SIGNATURE_DEF]
        )
        return metadata_json(await self._inference.metadata(request))


def _model_spec(match: re.Match[str]) -> dict[str, Any]:
    """The fields of the ModelSpec that a path names."""
    name, version, label = match[1], match[2], match[3]
    spec: dict[str, Any] = {"name": _decoded(name, "name")}
    if version:
        digits = version.lstrip("0") or "0"
        # Python converts no text of thousands of digits.
        if len(digits) > _INT64_DIGITS or int(digits) >= 2**63:
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
    """What a gzip body holds.

    Raises:
        StatusError: It is not gzip, or too large.
    """
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, _MOST_BYTES)
    except zlib.error:
        raise invalid_argument("The body is not gzip.") from None
    if unpacker.unconsumed_tail:
        raise _TooLargeError
    if not unpacker.eof:
        raise invalid_argument("The body is not gzip, or not whole.")
    return unpacked
