"""What `mri serve log` logs: requests and answers that passed through it, decoded afterwards."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serving.client.messages import PredictRequest, PredictResponse, array_of
from serving.client.rest import decoded
from serving.server.request_log import OUTPUTS, Answered, RequestLog

OF_ANOTHER_FORM = (
    *(ArithmeticError, AttributeError, DecodeError, LookupError, RecursionError, TypeError),
    ValueError,
)
"""What decoding raises where a request, or its answer, is another model's."""
_MOST_HELD = 2**28
"""Bytes of all requests and answers that wait to be decoded."""
_Given = TypeVar("_Given")


class ProxyLog:
    """Logs what was answered. It is decoded in a thread, for which no answer waits.

    Where more is answered than can be decoded, requests are not logged.
    """

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._thread = ThreadPoolExecutor(1, "log-decoder")
        self._held = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, size: int, decode: Callable[[], Awaitable[Answered | None]]) -> None:
        """Begins to log a request that has, with its answer, so many bytes."""
        if self._held and self._held + size > _MOST_HELD:
            self._log.say_lost("more requests are answered than can be decoded")
            return
        self._held += size
        task = asyncio.create_task(self._take(size, decode))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, size: int, decode: Callable[[], Awaitable[Answered | None]]) -> None:
        try:
            if answered := await decode():
                self._log.take(answered)
        except OF_ANOTHER_FORM:
            pass
        finally:
            self._held -= size

    async def in_thread(self, function: Callable[[], _Given]) -> _Given:
        """Runs what takes long."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def close(self) -> None:
        """Logs what was begun and ends."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._thread.shutdown()
        await asyncio.to_thread(self._log.close)


def grpc_answered(request: bytes, answer: bytes, seconds: float) -> Answered | None:
    """What was asked and answered over gRPC.

    Args:
        request: A PredictRequest.
        answer: The PredictResponse.
        seconds: How long that took.

    Returns:
        What the log takes, with the outputs that are logged; None: another model was asked.

    Raises:
        OF_ANOTHER_FORM: Another model was asked.
    """
    asked, said = PredictRequest.FromString(request), PredictResponse.FromString(answer)
    [images] = map(array_of, asked.inputs.values())
    if images.dtype != object:
        return None
    outputs = {name: array_of(said.outputs[name]) for name in OUTPUTS if name in said.outputs}
    spec, now = said.model_spec, datetime.now(timezone.utc)
    name = spec.name or asked.model_spec.name
    return Answered(name, int(spec.version.value), images, outputs, now, seconds)


def rest_rows(request: bytes, answer: bytes) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """What was asked and answered over REST, in row format.

    Args:
        request: The body that was sent.
        answer: That of the answer.

    Returns:
        The images' bytes, and the outputs that are logged, by name: arrays of shape [images],
        dtype object.

    Raises:
        OF_ANOTHER_FORM: It is packed, in columns, or another model's.
    """
    asked, answered = json.loads(request), json.loads(answer)
    instances: Sequence[Any] = asked["instances"]
    images = np.empty(len(instances), object)
    for row, instance in enumerate(instances):
        [value] = [instance] if set(instance) == {"b64"} else instance.values()
        images[row] = decoded(value)
        if not isinstance(images[row], bytes):
            raise TypeError(instance)
    rows: Sequence[Mapping[str, Any]] = answered["predictions"]
    if len(rows) != len(images):
        raise ValueError(len(rows))
    outputs = {}
    for name in OUTPUTS:
        if name not in rows[0]:
            continue
        column = np.empty(len(rows), object)
        column[:] = [_as_bytes(row[name]) for row in rows]
        outputs[name] = column
    return images, outputs


def _as_bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
