"""TensorFlow Serving's batching parameters: the file format and the checks on it."""

import os
from dataclasses import dataclass
from pathlib import Path

from components.errors import PipelineError
from serving.server.text_proto import read_message


@dataclass(frozen=True)
class BatchingParameters:
    """How requests are merged, with TensorFlow Serving's own defaults.

    Attributes:
        max_batch_size: Most examples that one call of the model gets.
        batch_timeout_micros: How long the first request of a batch waits for others, microseconds.
        max_enqueued_batches: Most full batches that wait; a request beyond is UNAVAILABLE.
        num_batch_threads: Batches that run at the same time.
        allowed_batch_sizes: Sizes a batch is padded to; none: no padding.
        split_large: Whether a larger request is split, and not refused.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    split_large: bool = True

    def __post_init__(self) -> None:
        """Checks what TensorFlow Serving checks.

        Raises:
            PipelineError: A value makes no sense.
        """
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise PipelineError(f"{name} must be positive, not {getattr(self, name)}.")
        if self.batch_timeout_micros < 0:
            raise PipelineError("batch_timeout_micros must be zero or more.")
        sizes = self.allowed_batch_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != self.max_batch_size):
            raise PipelineError(
                "allowed_batch_sizes must increase and end in max_batch_size"
                f" ({self.max_batch_size}), not {list(sizes)}."
            )

    def padded(self, size: int) -> int:
        """The size that a batch of `size` examples is padded to."""
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)


def read_batching_parameters(path: Path) -> BatchingParameters:
    """Reads a batching parameters file.

    Raises:
        PipelineError: The file cannot be read, or a value makes no sense.
    """
    message = read_message(path, "BatchingParameters")
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    given = {name: getattr(message, name).value for name in names if message.HasField(name)}
    if message.HasField("max_execution_batch_size"):
        given["max_batch_size"] = message.max_execution_batch_size.value
    if message.HasField("enable_large_batch_splitting"):
        given["split_large"] = message.enable_large_batch_splitting.value
    return BatchingParameters(**given, allowed_batch_sizes=tuple(message.allowed_batch_sizes))
