"""Load: asks a model server as fast as it answers, and measures."""

import base64
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from urllib.parse import quote, urlsplit

import grpc
import numpy as np

from serving.client.address import Address
from serving.client.errors import ServingError
from serving.client.finding import find_protocol
from serving.client.grpc import PREDICT
from serving.client.messages import model_spec, predict_request

Session = Callable[[int], None]
"""Sends the request of a number over one connection and waits for the answer; raises
ServingError where there is none."""


@dataclass(frozen=True)
class LoadReport:
    """How a server stood the load.

    Attributes:
        concurrency: How many connections asked at the same time.
        requests: Answered requests.
        errors: Requests without an answer, by their status.
        seconds: How long the load lasted.
        images_per_second: Images in answered requests.
        p50_ms: Median latency of answered requests, milliseconds; None where there are none.
        p95_ms: What 95 of 100 stay below.
        p99_ms: What 99 of 100 stay below.
    """

    concurrency: int
    requests: int
    errors: dict[str, int]
    seconds: float
    images_per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


def generate_load(
    open_session: Callable[[], Session],
    *,
    concurrency: int,
    seconds: float,
    images: int = 1,
    requests: int | None = None,
) -> LoadReport:
    """Keeps a number of requests in flight, each on a connection of its own.

    Every connection's first request is not measured; its second is, however short the time.

    Args:
        open_session: Opens a connection.
        concurrency: How many requests are in flight.
        seconds: How long.
        images: How many images a request holds.
        requests: Ends as soon as so many were sent, too.

    Returns:
        What was measured.
    """
    latencies: list[list[float]] = [[] for _ in range(concurrency)]
    errors: Counter[str] = Counter()
    numbers = count()
    ready = threading.Barrier(concurrency + 1)
    ended = threading.Event()

    def ask(own: list[float]) -> None:
        try:
            session = open_session()
            _try(session, 0, Counter())
        except BaseException:
            ready.abort()  # or everybody would wait for this one
            raise
        ready.wait()
        ready.wait()
        while True:
            number = next(numbers)
            if requests is not None and number >= requests:
                return
            started = time.perf_counter()
            if _try(session, number, errors):
                own.append(time.perf_counter() - started)
            if ended.is_set():
                return

    threads = [threading.Thread(target=ask, args=(own,), daemon=True) for own in latencies]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    timer = threading.Timer(seconds, ended.set)
    timer.start()
    ready.wait()
    for thread in threads:
        thread.join()
    timer.cancel()
    elapsed = time.perf_counter() - started
    every = [1000 * one for own in latencies for one in own]
    p50, p95, p99 = np.percentile(every, (50, 95, 99)).tolist() if every else (None, None, None)
    return LoadReport(
        concurrency=concurrency,
        requests=len(every),
        errors=dict(errors),
        seconds=elapsed,
        images_per_second=len(every) * images / elapsed,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
    )


def _try(session: Session, number: int, errors: "Counter[str]") -> bool:
    try:
        session(number)
    except ServingError as error:
        errors[error.code] += 1
        return False
    return True


def sessions(
    address: str,
    model: str,
    batches: Sequence[Sequence[bytes]],
    *,
    signature: str = "serving_default",
    timeout: float = 60,
) -> Callable[[], Session]:
    """Connections to a model server that send ready-made requests and do not read the answers.

    Args:
        address: As the client's.
        model: The model's name.
        batches: The images of each request, which are sent over and over.
        signature: A signature that takes `image_bytes`.
        timeout: Seconds until an answer must be there.

    Returns:
        What opens a connection.

    Raises:
        PipelineError: The address is of another form, or nothing listens there.
    """
    given = Address.parse(address)
    parsed = given.speaking(find_protocol(given, timeout))
    if parsed.protocol == "rest":
        bodies = [_rest_body(signature, batch) for batch in batches]
        url = f"{parsed.target}/v1/models/{quote(model, safe='')}:predict"
        return lambda: post_session(url, bodies, timeout=timeout)
    requests = [_grpc_request(model, signature, batch) for batch in batches]
    return lambda: _grpc_session(parsed, requests, timeout)


def _rest_body(signature: str, batch: Sequence[bytes]) -> bytes:
    rows = [{"b64": base64.b64encode(image).decode()} for image in batch]
    return json.dumps({"signature_name": signature, "instances": rows}).encode()


def post_session(url: str, bodies: Sequence[bytes], *, timeout: float) -> Session:
    """A connection of its own that posts ready-made bodies over HTTP.

    Args:
        url: Where to.
        bodies: What is sent, over and over.
        timeout: Seconds until an answer must be there.

    Returns:
        What sends one, by its number.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=timeout)

    def ask(number: int) -> None:
        try:
            connection.request("POST", parts.path, bodies[number % len(bodies)])
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ServingError("UNAVAILABLE", str(error)) from error
        if response.status != http.client.OK:
            raise ServingError(f"HTTP_{response.status}", "refused")

    return ask


def _grpc_request(model: str, signature: str, batch: Sequence[bytes]) -> bytes:
    return bytes(predict_request(model_spec(model), signature, batch).SerializeToString())


def _grpc_session(address: Address, requests: Sequence[bytes], timeout: float) -> Session:
    options = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
        ("grpc.enable_http_proxy", int(not address.local)),
    ]
    channel = (
        grpc.secure_channel(address.target, grpc.ssl_channel_credentials(), options)
        if address.tls
        else grpc.insecure_channel(address.target, options)
    )
    predict = channel.unary_unary(PREDICT)

    def ask(number: int) -> None:
        try:
            predict(requests[number % len(requests)], timeout=timeout)
        except grpc.RpcError as error:
            raise ServingError(error.code().name, error.details() or "") from error

    return ask
