"""Finds out which of TensorFlow Serving's two protocols an address without a scheme speaks."""

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Literal
from urllib.request import getproxies

from serving.client.address import Address
from serving.client.errors import ServingError
from serving.client.results import Row, VersionStatus
from serving.client.transport import ModelSpec, Transport, Waiting

_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How a client of HTTP/2, and so of gRPC, begins: the preface and an empty frame of settings. What
speaks HTTP/1 takes it for a request that it does not understand, and says so (RFC 9113, 3.4)."""
_HTTP_1 = b"HTTP/1"
_PATIENCE = 2.0
"""Seconds after which a silent server is taken for one of gRPC, whose errors tell why."""


def find_protocol(address: Address, timeout: float) -> Literal["grpc", "rest"]:
    """Connects once, and looks what answers.

    Args:
        address: One that may say which protocol it speaks; then nothing is sent.
        timeout: Seconds until there must be a connection.

    Returns:
        The protocol; gRPC where it cannot be told, such as behind a proxy of the environment.

    Raises:
        ServingError: Nothing listens there.
    """
    if address.protocol is not None:
        return address.protocol
    if not address.local and "http" in getproxies():
        return "grpc"
    host, _, port = address.target.rpartition(":")
    try:
        opened = socket.create_connection((host.strip("[]"), int(port)), timeout)
    except OSError as error:
        detail = f"no connection: {error}"
        raise ServingError("UNAVAILABLE", detail, address.target) from error
    with opened:
        return "rest" if _answer(opened, min(timeout, _PATIENCE)) == _HTTP_1 else "grpc"


def _answer(opened: socket.socket, timeout: float) -> bytes:
    """The first bytes that a server answers; fewer where it ends or does not answer in time."""
    opened.settimeout(timeout)
    answer = b""
    try:
        opened.sendall(_GREETING)
        while len(answer) < len(_HTTP_1) and (more := opened.recv(len(_HTTP_1) - len(answer))):
            answer += more
    except OSError:
        return b""
    return answer


class FindingTransport:
    """Becomes, with the first request, the transport of the protocol that the server speaks."""

    def __init__(
        self, address: Address, waiting: Waiting, connect: Callable[[Address], Transport]
    ) -> None:
        """Prepares; nothing is sent yet.

        Args:
            address: `HOST:PORT`.
            waiting: The client's.
            connect: Makes a transport of an address that says its protocol.
        """
        self.address, self.closed = address.target, False
        self._place, self._waiting, self._connect = address, waiting, connect
        self._found: Transport | None = None
        self._turn = threading.Lock()

    async def predict(
        self, spec: ModelSpec, signature: str, images: Sequence[bytes], timeout: float
    ) -> tuple[Sequence[Row], int | None]:
        """Asks for one batch; see `Transport`."""
        transport = await self._transport(timeout)
        return await transport.predict(spec, signature, images, timeout)

    async def status(self, spec: ModelSpec, timeout: float) -> list[VersionStatus]:
        """Asks for the states of the versions; see `Transport`."""
        return await (await self._transport(timeout)).status(spec, timeout)

    async def close(self) -> None:
        """Ends the connection."""
        self.closed = True
        if self._found is not None:
            await self._found.close()

    async def _transport(self, timeout: float) -> Transport:
        if self._found is None:
            protocol = await self._waiting.aside(find_protocol, self._place, timeout)
            with self._turn:  # nothing is awaited here
                if self.closed:
                    raise ServingError("CANCELLED", "the client was closed", self.address)
                if self._found is None:
                    self._found = self._connect(self._place.speaking(protocol))
        return self._found
