"""The model behind the page: some images at a time, over the client's REST half."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from serving.client import (
    Client,
    EncodedImage,
    Explanation,
    Failure,
    Prediction,
    ServingError,
)
from serving.web.config import WebConfig
from serving.web.problems import ProblemError, of_server

_KNOWN_FOR = 5.0
_STATUS_TIMEOUT = 2.0
_NOTHING_SEEN: tuple[float, int | None] = (float("-inf"), None)

_Result = TypeVar("_Result")


class ServedModel:
    """Asks the model server, for a few requests at the same time."""

    def __init__(self, config: WebConfig) -> None:
        """Prepares the connections; nothing is asked yet.

        Args:
            config: Where the server is.
        """
        token = config.token.get_secret_value() if config.token else None
        client = partial(Client, config.server, model=config.model, token=token)
        self._client = client(timeout=config.timeout, attempts=2)
        self._status = client(timeout=_STATUS_TIMEOUT, attempts=1)
        self._turns = threading.BoundedSemaphore(config.at_once)
        self._wait = config.wait
        self._seen = _NOTHING_SEEN

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until there is room for one more request.

        Raises:
            ProblemError: There was none for too long.
        """
        if not self._turns.acquire(timeout=self._wait):
            raise ProblemError(503, "The page is busy with other images. Try again shortly.")
        try:
            yield
        finally:
            self._turns.release()

    def answers(
        self, images: Sequence[EncodedImage], *, explain: bool
    ) -> Sequence[Prediction | ProblemError]:
        """Classifies images, all by one version.

        Args:
            images: The images, a few.
            explain: Whether to say where the model looked; the results are explanations then.

        Returns:
            A result an image, or why it is refused.

        Raises:
            ProblemError: The model server gave no results, for a reason that is not the image.
        """

        def ask(client: Client) -> Sequence[Prediction | ProblemError]:
            found = client.explain_batch(images) if explain else client.predict_batch(images)
            return [_told(one) for one in found]

        return self._ask(ask)

    def ready(self) -> int:
        """The newest version that the server answers with.

        Raises:
            ProblemError: There is none.
        """
        try:
            versions = [one.version for one in self._status.status() if one.state == "AVAILABLE"]
        except ServingError as error:
            raise of_server(error) from None
        if not versions:
            raise ProblemError(503, "The model server has no model at the moment.")
        return max(versions)

    def _ask(self, ask: Callable[[Client], _Result]) -> _Result:
        """Asks the newest version by its number, as REST does not tell which one has answered.

        One that has gone since is NOT_FOUND; then there is another.
        """
        try:
            try:
                return ask(self._newest())
            except ServingError as error:
                if error.code != "NOT_FOUND":
                    raise
            self._seen = _NOTHING_SEEN
            return ask(self._newest())
        except ServingError as error:
            raise of_server(error) from None

    def _newest(self) -> Client:
        """A client of the version that `ready` gave some seconds ago; of any if it is not known."""
        asked, version = self._seen
        if time.monotonic() - asked > _KNOWN_FOR:
            try:
                version = self.ready()
            except ProblemError:
                version = None
            self._seen = (time.monotonic(), version)
        return self._client if version is None else self._client.of_version(version)


def _told(answer: Explanation | Prediction | Failure) -> Prediction | ProblemError:
    """A result, or what a person is told of an image that the server refuses."""
    if isinstance(answer, Prediction):
        return answer
    if isinstance(answer, ServingError) and answer.code == "INVALID_ARGUMENT":
        return of_server(answer)
    raise answer
