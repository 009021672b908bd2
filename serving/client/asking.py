"""What both clients do but for waiting: it is written once, as coroutines.

Those of the client that blocks never give way, so that one step ends them.
"""

import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from tenacity import retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_before_delay

from components.errors import PipelineError, UsageError
from serving.client.errors import Failure, ImageError, NoVersionError, ServingError
from serving.client.images import EncodedImage, Image, is_one_image, prepare_image
from serving.client.results import Explanation, ModelAnswers, Prediction, VersionStatus
from serving.client.transport import ModelSpec, Transport, Waiting

_OF_ONE_IMAGE = ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
"""What a server answers where one image of a request is bad, or all of them are too much."""
_LONGEST_TIMEOUT = 86_400.0
"""A day: whoever wants to wait as long as it takes can say that."""

_Answer = TypeVar("_Answer")
_Job = TypeVar("_Job")
_Kind = TypeVar("_Kind", bound=Prediction)
_Started = TypeVar("_Started")


@dataclass(frozen=True)
class RequestLimits:
    """How much is asked at once, and for how long.

    Attributes:
        timeout: Seconds that a request may take, retries included.
        attempts: How often a request is sent at most.
        batch_size: How many images go in one request.
        request_bytes: How many bytes of images go in one request; a larger image goes by itself.
        in_flight: How many requests of a batch are under way at the same time.
    """

    timeout: float
    attempts: int
    batch_size: int
    request_bytes: int
    in_flight: int

    def __post_init__(self) -> None:
        """Checks them.

        Raises:
            PipelineError: One is out of its range.
        """
        if not (_is_number(self.timeout) and 0 < self.timeout <= _LONGEST_TIMEOUT):
            raise UsageError(
                f"timeout must be a number of seconds above 0, {_LONGEST_TIMEOUT:,.0f} at most; "
                f"this is {self.timeout!r}."
            )
        for name in ("attempts", "batch_size", "request_bytes", "in_flight"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise UsageError(f"{name} must be a whole number above 0; this is {value!r}.")


@dataclass(frozen=True)
class SignatureCall(Generic[_Kind]):
    """What is asked of an image.

    Attributes:
        signature: The signature that answers it.
        read: Makes results of the answer.
    """

    signature: str
    read: Callable[[ModelAnswers, Sequence[EncodedImage]], list[_Kind | ServingError]]


PREDICT = SignatureCall[Prediction]("serving_default", ModelAnswers.predictions)
EXPLAIN = SignatureCall[Explanation]("explain", ModelAnswers.explanations)


@dataclass(frozen=True)
class Asker:
    """Asks one model over one connection.

    Attributes:
        transport: The connection.
        waiting: How its answers are waited for.
        spec: The model.
        limits: How much is asked at once, and for how long.
    """

    transport: Transport
    waiting: Waiting
    spec: ModelSpec
    limits: RequestLimits

    async def one(self, image: Image, question: SignatureCall[_Kind]) -> _Kind:
        """Asks about one image.

        Raises:
            ImageError: It cannot be read.
            ServingError: The server gave no result.
        """
        prepared = await self.waiting.aside(prepare_image, image)
        [answer] = await self._ask([prepared], question)
        if isinstance(answer, ServingError):
            raise answer
        return answer

    async def several(
        self, images: Sequence[Image], question: SignatureCall[_Kind]
    ) -> list[_Kind | Failure]:
        """Asks about the images of one job, in as many requests as they need.

        Args:
            images: No more than go in one request.
            question: What is asked.

        Returns:
            A result an image, or why there is none.
        """
        prepared = await self.waiting.aside(_prepared, images)
        sent = [one for one in prepared if isinstance(one, EncodedImage)]
        answers: deque[_Kind | ServingError] = deque()
        for request in _requests(sent, self.limits.request_bytes):
            answers += await self._ask(request, question)
        return [one if isinstance(one, ImageError) else answers.popleft() for one in prepared]

    async def status(self) -> list[VersionStatus]:
        """Asks for the states of the model's versions."""
        return await self._send(lambda timeout: self.transport.status(self.spec, timeout))

    def jobs(self, images: Iterable[Image]) -> Iterator[list[Image]]:
        """Images, as many at a time as go in one request.

        Raises:
            PipelineError: It is one image.
        """
        if is_one_image(images) or not isinstance(images, Iterable):
            raise PipelineError(
                f"Give several images, such as a list, not {type(images).__name__}. "
                "For one image, use predict or explain."
            )
        return _jobs(iter(images), self.limits.batch_size)

    async def _ask(
        self, images: Sequence[EncodedImage], question: SignatureCall[_Kind]
    ) -> Sequence[_Kind | ServingError]:
        """Asks once; by halves if one image may be the reason that there is no answer."""
        contents = [image.content for image in images]

        async def exchange(timeout: float) -> ModelAnswers:
            answered = await self.transport.predict(
                self.spec, question.signature, contents, timeout
            )
            return ModelAnswers(*answered, self.transport.address)

        try:
            return question.read(await self._send(exchange), images)
        except ServingError as error:
            named = isinstance(error, NoVersionError)
            if named or len(images) == 1 or error.code not in _OF_ONE_IMAGE:
                return [error] * len(images)
        half = len(images) // 2
        return [
            *await self._ask(images[:half], question),
            *await self._ask(images[half:], question),
        ]

    async def _send(self, exchange: Callable[[float], Awaitable[_Answer]]) -> _Answer:
        """Sends a request as often as it may be sent."""
        until = time.monotonic() + self.limits.timeout

        async def send() -> _Answer:
            if self.transport.closed:
                raise PipelineError("This client is closed: make another one.")
            return await exchange(max(until - time.monotonic(), 1e-3))

        try:
            return await self.waiting.retry(self._policy(), send)
        except ServingError as error:
            if missing := await self._missing(error):
                raise missing from error
            raise

    def _policy(self) -> Mapping[str, Any]:
        return {
            "retry": retry_if_exception(
                lambda error: isinstance(error, ServingError) and error.unavailable
            ),
            "wait": wait_random_exponential(multiplier=0.2, max=5),
            "stop": stop_after_attempt(self.limits.attempts)
            | stop_before_delay(self.limits.timeout),
            "reraise": True,
        }

    async def _missing(self, error: ServingError) -> NoVersionError | None:
        """What to say instead, with the versions that there are, if the one asked for is none."""
        spec, timeout = self.spec, self.limits.timeout
        # For a label that it does not know, TensorFlow Serving has the code of a wrong request.
        code = "NOT_FOUND" if spec.label is None else "INVALID_ARGUMENT"
        if error.code != code or (spec.version, spec.label) == (None, None):
            return None
        try:
            states = await self.transport.status(ModelSpec(spec.model), timeout)
            there = [one.version for one in states if one.state == "AVAILABLE"]
            if spec.version in there or (spec.label is not None and await self._has_label()):
                return None
        except ServingError:
            return None
        asked = f"version {spec.version}" if spec.label is None else f"label {spec.label!r}"
        named = ", ".join(map(str, there)) or "none"
        return NoVersionError(
            error.code,
            f"{error.detail}; there is no {asked}: {spec.model} has the versions {named}",
            error.address,
        )

    async def _has_label(self) -> bool:
        try:
            await self.transport.status(self.spec, self.limits.timeout)
        except ServingError as error:
            if error.code not in ("INVALID_ARGUMENT", "NOT_FOUND"):
                raise
            return False
        return True


def finish(work: Coroutine[Any, Any, _Answer]) -> _Answer:
    """Runs a coroutine that never gives way."""
    try:
        work.send(None)
    except StopIteration as end:
        answer: _Answer = end.value
        return answer
    raise AssertionError("a client that blocks has awaited something")


def in_flight(
    jobs: Iterable[_Job], start: Callable[[_Job], _Started], most: int
) -> Iterator[_Started]:
    """Starts jobs in order, and gives what was started in the same order.

    Args:
        jobs: What there is to do; it is asked for the next one when that is started.
        start: Starts one.
        most: How many that were not given yet may have been started.

    Yields:
        What `start` gave.
    """
    started: deque[_Started] = deque()
    for job in jobs:
        started.append(start(job))
        if len(started) == most:
            yield started.popleft()
    yield from started


def _jobs(images: Iterator[Image], size: int) -> Iterator[list[Image]]:
    while job := list(islice(images, size)):
        yield job


def _prepared(images: Sequence[Image]) -> list[EncodedImage | ImageError]:
    prepared: list[EncodedImage | ImageError] = []
    for image in images:
        try:
            prepared.append(prepare_image(image))
        except ImageError as error:
            prepared.append(error)
    return prepared


def _requests(images: Iterable[EncodedImage], most: int) -> Iterator[list[EncodedImage]]:
    """Images, as many at a time as have no more bytes than a request may have."""
    request: list[EncodedImage] = []
    size = 0
    for image in images:
        if request and size + len(image.content) > most:
            yield request
            request, size = [], 0
        request.append(image)
        size += len(image.content)
    if request:
        yield request


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
