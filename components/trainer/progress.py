"""Tells how far training is, through the log, where a runner or a cluster picks it up."""

import logging
import time

import keras

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 1.0


class ImageRate:
    """Says about once a second how fast images go through, and when the last one will."""

    def __init__(self, images: int) -> None:
        """Starts the clock.

        Args:
            images: How many there are to do.
        """
        self._images = images
        self._started = self._last = time.monotonic()

    def tell(self, done: int) -> str:
        """Says it, or nothing where it was said within the last second.

        Args:
            done: How many images are done, since the start.

        Returns:
            A few words.
        """
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES:
            return ""
        self._last = now
        rate = done / (now - self._started)
        minutes, seconds = divmod(int((self._images - done) / rate), 60)
        return f"{rate:.0f} images/s, about {minutes}:{seconds:02d} left"


class LogProgress(keras.callbacks.Callback):
    """Logs epoch, images a second, time left and accuracy, about once a second.

    Rate and time left are those of the whole training so far, evaluation after each epoch included.
    """

    def __init__(self, images: int, batch_size: int, done: int = 0) -> None:
        """Sets the scale.

        Args:
            images: Training images.
            batch_size: Images a step.
            done: Epochs of an earlier attempt that training goes on from.
        """
        super().__init__()
        self._images = images
        self._batch_size = batch_size
        self._first = self._epoch = done

    def on_train_begin(
        self,
        logs: dict[str, float] | None = None,  # noqa: ARG002 - Keras' signature
    ) -> None:
        """Starts the clock."""
        self._pace = ImageRate((self.params["epochs"] - self._first) * self._images)

    def on_epoch_begin(
        self,
        epoch: int,
        logs: dict[str, float] | None = None,  # noqa: ARG002 - Keras' signature
    ) -> None:
        """Notes the epoch, counted from 0."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Logs a line if the last one is old enough."""
        in_epoch = min((batch + 1) * self._batch_size, self._images)
        if pace := self._pace.tell((self._epoch - self._first) * self._images + in_epoch):
            _LOG.info(
                "epoch %d/%d, %d%%, %s, accuracy %.3f",
                self._epoch + 1,
                self.params["epochs"],
                100 * in_epoch // self._images,
                pace,
                (logs or {}).get("accuracy", 0.0),
            )
