"""Where the server listens: ports and the Unix socket, taken before TensorFlow is imported.

An address that is taken is a PipelineError.
"""

import socket
from collections.abc import Sequence
from typing import Any, Protocol

import grpc

from components.errors import PipelineError

_UNLIMITED = 2**31 - 1
_MOST_PENDING = 100_000
"""Calls that have come and wait to be taken; beyond 1,000 gRPC would begin to refuse them."""


class Places(Protocol):
    """Where to listen, named as the server's flags are."""

    @property
    def bind_address(self) -> str:
        """The address of both ports."""

    @property
    def port(self) -> int:
        """For gRPC; 0: none."""

    @property
    def grpc_socket_path(self) -> str:
        """A Unix socket for gRPC; empty: none."""

    @property
    def channel_arguments(self) -> Sequence[tuple[str, int | str]]:
        """More options of the gRPC server."""

    @property
    def rest_api_port(self) -> int:
        """For REST; 0: none."""


def open_grpc(flags: Places) -> Any:
    """A gRPC server that has its addresses and does not yet answer."""
    options: list[tuple[str, int | str]] = [
        ("grpc.max_send_message_length", _UNLIMITED),
        ("grpc.max_receive_message_length", _UNLIMITED),
        ("grpc.server.max_pending_requests", _MOST_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", _MOST_PENDING),
        # Two servers on one port would share its requests.
        ("grpc.so_reuseport", 0),
        *flags.channel_arguments,
    ]
    server = grpc.aio.server(options=options)
    if flags.port:
        host = f"[{flags.bind_address}]" if ":" in flags.bind_address else flags.bind_address
        _bind(server, f"{host}:{flags.port}", f"port {flags.port}")
    if flags.grpc_socket_path:
        _bind(server, f"unix:{flags.grpc_socket_path}", flags.grpc_socket_path)
    return server


def open_rest(flags: Places) -> socket.socket | None:
    """The socket for REST; None where there is to be none."""
    if not flags.rest_api_port:
        return None
    family = socket.AF_INET6 if ":" in flags.bind_address else socket.AF_INET
    # asyncio sends small answers at once only where the protocol is said to be TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((flags.bind_address, flags.rest_api_port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise _taken(f"port {flags.rest_api_port}", str(error.strerror)) from error
    listener.setblocking(False)
    return listener


def _bind(server: Any, address: str, what: str) -> None:
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise _taken(what, "in use or not allowed") from error


def _taken(what: str, why: str) -> PipelineError:
    return PipelineError(
        f"Cannot listen on {what} ({why}): stop what listens there, or choose another."
    )
