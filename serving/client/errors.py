"""What can go wrong between a client and a model server."""

from typing import TypeAlias

from components.errors import PipelineError, UsageError
from components.tensorflow_words import without_nodes

_LONGEST_DETAIL = 1024
"""Characters of what a server says that are kept, as many as TensorFlow Serving sends."""


class ImageError(PipelineError):
    """An image that cannot be sent; nothing was asked of the server.

    Attributes:
        frame: Which frame of its file it is; None if it is the file that cannot be used.
        frames: How many the file has; None likewise.
        temporary: Whether the machine or the storage failed, and the image may be well.
    """

    frame: int | None = None
    frames: int | None = None
    temporary: bool = False


class ServingError(PipelineError):
    """An answer that is no result.

    Attributes:
        code: The status as gRPC names it, such as `INVALID_ARGUMENT` or `UNAVAILABLE`; of an HTTP
            status, the one that TensorFlow Serving maps to it.
        detail: What the server said, on one line.
        address: The server's; empty if it is not known.
    """

    def __init__(self, code: str, detail: str, address: str = "") -> None:
        """Says what the server answered.

        Args:
            code: The status.
            detail: What the server said, of any length and with any characters.
            address: The server's.
        """
        super().__init__(code, detail, address)  # what it is made of again, in another process
        shown = without_nodes(detail[: 2 * _LONGEST_DETAIL])
        line = "".join(one if one.isprintable() else " " for one in shown)
        self.code = code
        self.detail = " ".join(line.split())[:_LONGEST_DETAIL]
        self.address = address
        if code == "NOT_FOUND":  # the model, or its version, is what the user named
            self.exit_code = UsageError.exit_code

    def __str__(self) -> str:
        where = f" at {self.address}" if self.address else ""
        return f"The model server{where} answered {self.code}: {self.detail}"

    @property
    def unavailable(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.code == "UNAVAILABLE"


class NoVersionError(ServingError):
    """The version or label that was asked for is not there; the message says which ones are."""

    exit_code = UsageError.exit_code


Failure: TypeAlias = ImageError | ServingError
"""What stands in the place of an image's result."""
