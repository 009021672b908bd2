"""What the server writes to its log: the same trouble once a minute, not once a request."""

import logging
import sys
import time

_SECONDS = 60
_MOST_KEPT = 1000


class OncePerMinute(logging.Filter):
    """Drops a warning or an error that was said within the last minute."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        if record.levelno < logging.WARNING:
            return True
        key, now = (record.name, record.getMessage()), time.monotonic()
        if now - self._said.get(key, -_SECONDS) < _SECONDS:
            return False
        if len(self._said) >= _MOST_KEPT:
            self._said.clear()
        self._said[key] = now
        return True


def set_up_logging() -> None:
    """Writes to standard error, from all threads."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(OncePerMinute())
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname).1s %(message)s",
        handlers=[handler],
    )
    for noisy in ("tensorflow", "absl", "uvicorn", "h5py", "botocore"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
