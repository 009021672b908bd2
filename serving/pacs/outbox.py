"""Takes answers to a destination, and notes which ones it has."""

import logging
import threading
from collections.abc import Callable
from contextlib import closing

from serving.pacs.config import RetryConfig
from serving.pacs.delivery import Destination, UndeliveredError
from serving.pacs.journal import Delivery
from serving.pacs.monitoring import NodeMetrics
from serving.pacs.spool import Spool

log = logging.getLogger(__name__)


class Outbox:
    """What waits for one destination.

    Attributes:
        to: The destination.
    """

    def __init__(
        self, to: Destination, spool: Spool, retry: RetryConfig, metrics: NodeMetrics,
        clock: Callable[[], float], stopping: threading.Event,
    ) -> None:  # fmt: skip
        """Sends nothing yet.

        Args:
            to: The destination.
            spool: Where answers are.
            retry: When what failed is tried again.
            metrics: Where tries are counted.
            clock: The time, seconds since 1970.
            stopping: No further answer is sent once it is set.
        """
        self.to = to
        self._spool, self._retry, self._metrics = spool, retry, metrics
        self._clock, self._stopping = clock, stopping
        self._unnoted: list[Delivery] = []
        """The destination has them, but the journal could not be written since."""

    def work(self) -> bool:
        """Sends what is due.

        Returns:
            Whether there was anything.
        """
        self._note()
        due = self._spool.journal.due(self.to.name, self._clock())
        try:
            self._send(due)
        except UndeliveredError as error:
            for delivery in due:
                self._missed(delivery, str(error))
        return bool(due)

    def _send(self, due: list[Delivery]) -> None:
        if not due:
            return
        files = [self._spool.folder_of(one.study) / one.file for one in due]
        with closing(self.to.send(files)) as told:
            # What is not told of stays due, and no try of it is counted.
            for delivery, reason in zip(due, told, strict=False):
                if reason is None:
                    self._unnoted.append(delivery)
                    self._note()
                else:
                    self._missed(delivery, f"{self.to.name}: {reason}")
                if self._stopping.is_set():
                    return

    def _note(self) -> None:
        while self._unnoted:
            self._spool.journal.sent(self._unnoted[0])
            del self._unnoted[0]
            self._metrics.delivery(self.to.name, "sent")

    def _missed(self, delivery: Delivery, reason: str) -> None:
        attempts = delivery.attempts + 1
        last = attempts >= self._retry.attempts
        due = None if last else self._clock() + self._retry.wait(attempts)
        self._spool.journal.missed(delivery, reason, due)
        self._metrics.delivery(delivery.destination, "dead" if last else "missed")
        log.warning("study %s: %s", delivery.study, reason)
