"""Where a model server is, and how it is spoken to."""

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from components.errors import UsageError

_PORTS = {"grpc": 8500, "grpcs": 8500, "http": 8501, "https": 443}
_FORMS = (
    "HOST:PORT, grpc://HOST:PORT, grpcs://HOST:PORT (TLS), unix:PATH, http://HOST:PORT or "
    "https://HOST"
)


@dataclass(frozen=True)
class Address:
    """A model server.

    Attributes:
        protocol: Which of TensorFlow Serving's two protocols it is spoken to in; None where that
            is to be found out.
        target: `HOST:PORT` or `unix:PATH`, for REST a URL without a slash at its end.
        tls: Whether the connection is encrypted.
        local: Whether it is on this machine.
    """

    protocol: Literal["grpc", "rest"] | None
    target: str
    tls: bool
    local: bool

    @property
    def other(self) -> str:
        """The same place, in the other protocol."""
        if self.protocol != "rest":
            return f"{'https' if self.tls else 'http'}://{self.target}"
        return f"{'grpcs' if self.tls else 'grpc'}://{urlsplit(self.target).netloc}"

    def speaking(self, protocol: Literal["grpc", "rest"]) -> "Address":
        """The same place, spoken to in a protocol that was found out.

        Args:
            protocol: The protocol.

        Returns:
            The address; itself where it says the protocol.
        """
        if self.protocol is not None:
            return self
        target = f"http://{self.target}" if protocol == "rest" else self.target
        return replace(self, protocol=protocol, target=target)

    @staticmethod
    def parse(address: str) -> "Address":
        """Reads an address as a person writes it.

        Args:
            address: `HOST:PORT`, or a URL of scheme grpc, grpcs, unix, http or https.

        Returns:
            The address.

        Raises:
            PipelineError: It is of another form.
        """
        if address.startswith("unix:"):
            return Address("grpc", address, tls=False, local=True)
        wrong = f"{_without_secrets(address)!r} is not the address of a server"
        try:
            parts = urlsplit(address if "://" in address else f"grpc://{address}")
            port = parts.port or _PORTS[parts.scheme]
        except (KeyError, ValueError):  # it quotes the address
            raise UsageError(f"{wrong}: give {_FORMS}.") from None
        if not parts.hostname or parts.username or parts.query or parts.fragment:
            raise UsageError(f"{wrong}: give {_FORMS}.")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        tls, local = parts.scheme in ("grpcs", "https"), is_loopback(parts.hostname)
        if parts.scheme.startswith("grpc"):
            if parts.path.strip("/"):
                raise UsageError(
                    f"{wrong}: an address for gRPC has no path, and one for REST begins with "
                    "http:// or https://."
                )
            protocol: Literal["grpc"] | None = "grpc" if "://" in address else None
            return Address(protocol, f"{host}:{port}", tls, local)
        url = f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
        return Address("rest", url, tls, local)


def _without_secrets(address: str) -> str:
    """What may be shown of an address: neither who asks, nor what is asked for."""
    host = re.sub(r"^([a-z]+://)?.*@", r"\1***@", address, flags=re.DOTALL | re.IGNORECASE)
    return re.split(r"[?#]", host, maxsplit=1)[0]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
