"""What can go wrong while a sample is written."""

from pathlib import Path


class SampleError(Exception):
    """A sample cannot be made; the message says what was found, what was expected, what to do."""


class TakenError(SampleError):
    """There is something else where the sample should be; nothing in it was changed.

    Attributes:
        found: The path, and what is there.
    """

    def __init__(self, path: Path, found: str) -> None:
        """Says what is there.

        Args:
            path: Where.
            found: What, as the rest of a sentence that begins with the path.
        """
        self.found = f"{path} {found}"
        super().__init__(
            f"{self.found}: name another folder, or remove this one; nothing in it was changed."
        )
