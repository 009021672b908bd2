"""Stands before a model server, passes on what it is asked, and logs predictions for `mri monitor`.

TensorFlow Serving has a request log in its protocol, and none in the programs that are released.
Whatever comes over gRPC or REST is passed on as it is, and so is its answer, errors included. A log
row is what the embedded server writes: it holds no image and no name.
"""

import asyncio
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from components.errors import UsageError
from serving.client.address import Address
from serving.client.grpc import PREDICT
from serving.proxy_log import OF_ANOTHER_FORM, ProxyLog, grpc_answered, rest_rows
from serving.server.listeners import open_grpc, open_rest
from serving.server.request_log import Answered, RequestLog

_PREDICTED = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/[^/:]+)?:predict")
_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
_PASSED = ("accept", "authorization", "content-encoding", "content-type")
"""Headers that a model server, or what stands before it, looks at."""
_MOST_BYTES = 2**28
"""Of a request over REST."""
_MOST_HELD = 2**28
"""Bytes of all requests over REST that are not yet answered."""
_WAITS = httpx.Timeout(600, connect=10)
"""Seconds; a client usually gives up sooner."""
_VERSION_SECONDS = 5.0
"""For how long it is believed which version answers, which REST does not say; and waited for it."""
_DRAIN_SECONDS = 30.0


@dataclass(frozen=True)
class ProxyConfig:
    """Where the proxy listens, and what it stands before.

    Attributes:
        server: The model server's address for gRPC; None to pass on REST alone.
        rest_server: Its URL for REST; None to pass on gRPC alone.
        log: The folder of the log.
        bind_address: Where to listen.
        port: Port for gRPC.
        rest_api_port: Port for REST.
        sampling: Share of requests that is logged, 0 to 1.
    """

    server: Address | None
    rest_server: Address | None
    log: Path
    bind_address: str = "127.0.0.1"
    port: int = 9500
    rest_api_port: int = 9501
    sampling: float = 1.0
    grpc_socket_path = ""
    channel_arguments = ()


async def run_proxy(config: ProxyConfig, ready: Callable[[], None]) -> None:
    """Passes on requests until SIGTERM or SIGINT; those on their way then come to their end.

    Args:
        config: What it stands before.
        ready: Called when it listens.

    Raises:
        PipelineError: It cannot listen, or the folder of the log cannot be made.
    """
    rest_socket = open_rest(config) if config.rest_server else None
    grpc_server = open_grpc(config if config.server else replace(config, port=0))
    log = ProxyLog(RequestLog(config.log, config.sampling))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    rest = None
    if config.server:
        grpc_server.add_generic_rpc_handlers((_Forwarder(config.server, log),))
    await grpc_server.start()
    if config.rest_server:
        rest = _Server(_RestProxy(config.rest_server, log).app())
        serving = asyncio.create_task(rest.serve([rest_socket] if rest_socket else None))
    ready()
    await stop.wait()
    await grpc_server.stop(_DRAIN_SECONDS)
    if rest:
        rest.should_exit = True
        await serving
    await log.close()


class _Forwarder(grpc.GenericRpcHandler):
    """Passes on every method of gRPC, whose messages stay bytes."""

    def __init__(self, server: Address, log: ProxyLog) -> None:
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.enable_http_proxy", int(not server.local)),
        ]
        self._channel = (
            grpc.aio.secure_channel(server.target, grpc.ssl_channel_credentials(), options)
            if server.tls
            else grpc.aio.insecure_channel(server.target, options)
        )
        self._log = log

    def service(self, details: Any) -> Any:
        """What answers a method."""

        async def forward(request: bytes, context: Any) -> bytes:
            return await self._forward(details.method, request, context)

        return grpc.unary_unary_rpc_method_handler(forward)

    async def _forward(self, method: str, request: bytes, context: Any) -> bytes:
        began = time.monotonic()
        passed = [
            (key, value)
            for key, value in context.invocation_metadata() or ()
            if not key.startswith(("grpc-", "user-agent", ":"))
        ]
        try:
            answer: bytes = await self._channel.unary_unary(method)(
                request, timeout=context.time_remaining(), metadata=passed
            )
        except grpc.aio.AioRpcError as error:
            trailing = tuple(error.trailing_metadata() or ())
            await context.abort(error.code(), error.details() or "", trailing)
            raise  # abort does
        if method == PREDICT:
            seconds = time.monotonic() - began
            decode = partial(grpc_answered, request, answer, seconds)
            await self._log.start(len(request) + len(answer), partial(self._log.in_thread, decode))
        return answer


class _RestProxy:
    """Passes on what comes over REST."""

    def __init__(self, server: Address, log: ProxyLog) -> None:
        self._server, self._log = server.target, log
        self._http = httpx.AsyncClient(
            timeout=_WAITS,
            limits=httpx.Limits(max_connections=None),
            trust_env=not server.local,
        )
        self._held = 0
        self._versions: dict[str, tuple[float, int]] = {}

    def app(self) -> Starlette:
        """The application."""
        return Starlette(routes=[Route("/{path:path}", self, methods=_METHODS)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; what is held of it is let go when its client has the answer."""
        chunks: list[bytes] = []
        try:
            response = await self._forward(Request(scope, receive), chunks)
            await response(scope, receive, send)
        finally:
            self._held -= sum(map(len, chunks))

    async def _forward(self, request: Request, chunks: list[bytes]) -> Response:
        began = time.monotonic()
        path = request.scope["raw_path"].decode("latin-1")
        if not path.startswith("/"):
            # After a host and port, anything else may name another host.
            return _error(400, "The request's path must begin with a slash.")
        try:
            if refused := await self._read(request, chunks):
                return refused
        except ClientDisconnect:
            return Response(status_code=499)
        chunks[:] = [b"".join(chunks)]
        [body] = chunks
        asked = request.scope["query_string"].decode("latin-1")
        query = f"?{asked}" if asked else ""
        headers = {name: value for name, value in request.headers.items() if name in _PASSED}
        try:
            answer = await self._http.request(
                request.method, f"{self._server}{path}{query}", content=body, headers=headers
            )
        except httpx.InvalidURL as error:
            return _error(400, f"The request's path cannot be passed on: {error}")
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            return _error(502, f"No model server answers behind the log: {why}")
        seconds, given = time.monotonic() - began, answer.content
        kind = answer.headers.get("content-type")
        response = Response(given, answer.status_code, {"content-type": kind} if kind else {})
        if answer.status_code == httpx.codes.OK and (found := _PREDICTED.fullmatch(path)):
            decode = partial(self._answered, found, body, given, seconds)
            response.background = BackgroundTask(self._log.start, len(body) + len(given), decode)
        return response

    async def _read(self, request: Request, chunks: list[bytes]) -> Response | None:
        """Reads a body, as long as there is room for it; what is answered where there is none."""
        size = 0
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            self._held += len(chunk)
            if size > _MOST_BYTES:
                return _error(413, f"The request has more than {_MOST_BYTES:,} bytes.")
            if self._held > _MOST_HELD:
                return _error(503, "Too many bytes wait to be answered.", {"retry-after": "1"})
        return None

    async def _answered(
        self, found: re.Match[str], body: bytes, answer: bytes, seconds: float
    ) -> Answered | None:
        """What was asked and answered; None: it is not known by which version."""
        now = datetime.now(timezone.utc)
        images, outputs = await self._log.in_thread(partial(rest_rows, body, answer))
        version = int(found[2]) if found[2] else await self._version(found[0].rpartition(":")[0])
        if version is None or version >= 2**63:
            return None
        return Answered(found[1], version, images, outputs, now, seconds)

    async def _version(self, path: str) -> int | None:
        """The version that answers at a path: the highest that is available."""
        known = self._versions.get(path)
        if known is None or time.monotonic() - known[0] > _VERSION_SECONDS:
            try:
                status = await self._http.get(f"{self._server}{path}", timeout=_VERSION_SECONDS)
                states = status.json()["model_version_status"]
                there = [int(one["version"]) for one in states if one["state"] == "AVAILABLE"]
                known = time.monotonic(), max(there)
            except (httpx.HTTPError, *OF_ANOTHER_FORM):
                return None
            self._versions = {**dict(list(self._versions.items())[-100:]), path: known}
        return known[1]


class _Server(uvicorn.Server):
    """Uvicorn, with the signals left to us."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(_DRAIN_SECONDS),
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes no signal."""
        yield


def _error(status: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": words}, status, headers)


def parse_servers(grpc_server: str | None, rest_server: str | None) -> list[Address | None]:
    """Reads the addresses of what the proxy stands before.

    Args:
        grpc_server: The model server's address for gRPC, or None.
        rest_server: Its URL for REST, or None.

    Returns:
        Both, where they are given.

    Raises:
        UsageError: Neither is given, or one is not an address of its protocol.
    """
    found: list[Address | None] = []
    for protocol, text, form in (
        ("grpc", grpc_server, "--server HOST:8500"),
        ("rest", rest_server, "--rest-server http://HOST:8501"),
    ):
        address = Address.parse(text) if text else None
        if address is not None and address.protocol is None:
            address = address.speaking("grpc" if protocol == "grpc" else "rest")
        if address is not None and address.protocol != protocol:
            raise UsageError(f"{text!r} is an address of the other protocol: give {form}.")
        found.append(address)
    if found == [None, None]:
        raise UsageError(
            "Name the model server: --server HOST:8500 for gRPC, --rest-server http://HOST:8501 "
            "for REST, or both."
        )
    return found
