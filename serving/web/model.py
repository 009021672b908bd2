"""The model behind the page: one image at a time, over the client's REST half."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from serving.client import Client, Explanation, Prediction, ServingError
from serving.web.config import WebConfig
from serving.web.problems import ProblemError, of_server

_KNOWN_FOR = 5.0
_STATUS_TIMEOUT = 2.0


class Model:
    """Asks the model server, for a few requests at the same time."""

    def __init__(self, config: WebConfig) -> None:
        """Prepares the connections; nothing is asked yet.

        Args:
            config: Where the server is.
        """
        token = config.token.get_secret_value() if config.token else None
        self._client = Client(
            config.server, model=config.model, timeout=config.timeout, attempts=2, token=token
        )
        self._status = Client(
            config.server, model=config.model, timeout=_STATUS_TIMEOUT, attempts=1, token=token
        )
        self._turns = threading.BoundedSemaphore(config.at_once)
        self._wait = config.wait
        self._seen: tuple[float, int | None] = (-_KNOWN_FOR, None)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until there is room for one more request.

        Raises:
            ProblemError: There was none for too long.
        """
        if not self._turns.acquire(timeout=self._wait):
            raise ProblemError(503, "Too many images are being looked at. Try again shortly.")
        try:
            yield
        finally:
            self._turns.release()

    def predict(self, content: bytes) -> Prediction:
        """Classifies an image.

        Raises:
            ProblemError: The model server gave no result.
        """
        try:
            return self._client.predict(content)
        except ServingError as error:
            raise of_server(error) from None

    def explain(self, content: bytes) -> Explanation:
        """Classifies an image and shows where the model looked; see `predict`."""
        try:
            return self._client.explain(content)
        except ServingError as error:
            raise of_server(error) from None

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

    def version(self) -> int | None:
        """The same as `ready`, remembered for some seconds; None where it is not known."""
        asked, version = self._seen
        if time.monotonic() - asked > _KNOWN_FOR:
            try:
                version = self.ready()
            except ProblemError:
                version = None
            self._seen = (time.monotonic(), version)
        return version
