"""What the clients need of a protocol, and what both protocols need to know."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from components.errors import UsageError
from serving.client.results import Row, VersionStatus

MOST_ANSWER_BYTES = 64 << 20
"""Bytes of an answer that are read. Sixteen explanations of 224 pixels are some 20 MB as JSON; if
there are more, they are asked for in smaller requests."""

_Result = TypeVar("_Result")


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
        """All headers, the token's included.

        Raises:
            PipelineError: One holds a character that no header may hold.
        """
        bearer = [("authorization", f"Bearer {self.token}")] if self.token else []
        headers = [*bearer, *((name.lower(), value) for name, value in self.metadata)]
        for name, value in headers:
            if not (_is_plain(name) and " " not in name and _is_plain(value)):
                what = "The token" if name == "authorization" else f"The metadata {name!r}"
                raise UsageError(
                    f"{what} cannot be sent as a header: it holds characters other than "
                    "visible ASCII, such as the end of a line."
                )
        return headers

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


class Waiting(Protocol):
    """How one of the clients waits: by blocking its thread, or by letting others run."""

    async def retry(
        self, policy: Mapping[str, Any], send: Callable[[], Coroutine[Any, Any, _Result]]
    ) -> _Result:
        """Sends as often as a policy says.

        Args:
            policy: tenacity's.
            send: Sends once.

        Returns:
            What the last one gave.
        """

    async def aside(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        """Does what keeps a processor or a disk busy."""


class Transport(Protocol):
    """One protocol to one server.

    Attributes:
        address: The server's, as its errors name it.
        closed: Whether the connection has ended.
    """

    address: str
    closed: bool

    async def predict(
        self, spec: ModelSpec, signature: str, images: Sequence[bytes], timeout: float
    ) -> tuple[Sequence[Row], int | None]:
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

    async def status(self, spec: ModelSpec, timeout: float) -> list[VersionStatus]:
        """Asks for the states of the model's versions, the newest first.

        Raises:
            ServingError: There is no such answer.
        """

    async def close(self) -> None:
        """Ends the connection; what is on its way gets no answer."""


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
