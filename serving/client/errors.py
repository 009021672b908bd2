"""What can go wrong between a client and a model server."""

from components.errors import PipelineError


class ImageError(PipelineError):
    """An image that cannot be sent; nothing was asked of the server."""


class ServingError(PipelineError):
    """An answer that is no result.

    Attributes:
        code: The status as gRPC names it, such as `INVALID_ARGUMENT` or `UNAVAILABLE`; of an HTTP
            status, the one that TensorFlow Serving maps to it.
        detail: What the server said.
    """

    def __init__(self, code: str, detail: str) -> None:
        """Says what the server answered.

        Args:
            code: The status.
            detail: What the server said.
        """
        super().__init__(f"The model server answered {code}: {detail}")
        self.code = code
        self.detail = detail

    @property
    def unavailable(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.code == "UNAVAILABLE"
