"""What the client needs of a protocol, and what both protocols need to know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serving.client.results import Outputs, VersionStatus


@dataclass(frozen=True)
class Access:
    """How a server, or the proxy in front of it, lets a client in.

    Attributes:
        token: Sent as `authorization: Bearer TOKEN`.
        metadata: More headers.
        ca: PEM file of the authorities that vouch for the server; None for the machine's own.
        certificate: PEM file of the client's certificate, where the proxy wants one.
        key: PEM file of its private key.
    """

    token: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def headers(self) -> list[tuple[str, str]]:
        """All headers, the token's included."""
        bearer = [("authorization", f"Bearer {self.token}")] if self.token else []
        return [*bearer, *((name.lower(), value) for name, value in self.metadata)]

    def __repr__(self) -> str:
        return "Access(...)"  # a secret never reaches a log


@dataclass(frozen=True)
class ModelSpec:
    """The model that is asked.

    Attributes:
        model: Its name.
        version: Only this version, or None.
        label: Only the version that has this label, or None.
    """

    model: str
    version: int | None = None
    label: str | None = None


class Transport(Protocol):
    """One protocol to one server."""

    def predict(
        self, spec: ModelSpec, signature: str, images: Sequence[bytes], timeout: float
    ) -> tuple[Outputs, int | None]:
        """Asks for one batch.

        Args:
            spec: The model.
            signature: A signature that takes `image_bytes`.
            images: The bytes of image files.
            timeout: Seconds until the answer must be there.

        Returns:
            The outputs, and the version that gave them where the protocol tells.

        Raises:
            ServingError: There is no such answer.
        """

    def status(self, spec: ModelSpec, timeout: float) -> list[VersionStatus]:
        """Asks for the states of the model's versions, the newest first.

        Raises:
            ServingError: There is no such answer.
        """

    def close(self) -> None:
        """Ends the connection."""
