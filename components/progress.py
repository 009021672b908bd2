"""Says now and then how far a step is that takes long."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_MESSAGES = 2.0

_Item = TypeVar("_Item")


def told(items: Iterable[_Item], total: int, step: str) -> Iterator[_Item]:
    """Logs, while items come, which share of them has come.

    Args:
        items: The results of the step.
        total: How many there will be.
        step: What the step does, such as `comparing images`.

    Yields:
        The items.
    """
    last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last > _SECONDS_BETWEEN_MESSAGES:
            last = time.monotonic()
            _LOG.info("%s, %d%%", step, 100 * done / total)
