"""Ports of this machine for servers that are about to start."""

import errno
import random
import socket

_PORTS = range(20_000, 32_000)
"""Below those that systems give to connections, one of which could take a port before its server
does."""


def free_ports(count: int) -> list[int]:
    """Finds ports that nothing uses; who asks at the same time hardly gets the same ones.

    Args:
        count: How many.

    Returns:
        Different ports.

    Raises:
        OSError: There are not so many.
    """
    found: list[int] = []
    # Of the system, as programs may have seeded Python's own generator.
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError(errno.EADDRINUSE, f"no {count} ports from {_PORTS[0]} to {_PORTS[-1]} are free")
