"""What both clients are made of."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from components.errors import UsageError
from components.servable import MODEL_NAME
from serving.client.address import Address
from serving.client.asking import Asker, RequestLimits
from serving.client.finding import FindingTransport
from serving.client.transport import Access, ModelSpec, Transport, Waiting

_HIGHEST_VERSION = 2**63 - 1
_Self = TypeVar("_Self", bound="BaseClient")


class BaseClient(ABC):
    """What both clients are told, and how they are copied."""

    def __init__(
        self,
        address: str | Asker = "localhost:8500",
        *,
        model: str = MODEL_NAME,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 30.0,
        attempts: int = 5,
        batch_size: int = 16,
        request_bytes: int = 16_000_000,
        in_flight: int = 2,
        token: str | None = None,
        metadata: Mapping[str, str] | None = None,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        """Prepares the connection; nothing is sent yet.

        Args:
            address: `HOST:PORT`, where the first request finds out the protocol; `grpc://`,
                `grpcs://` or `unix:` for gRPC, `http://` or `https://` for REST. Instead of it and
                all the rest, what another client asks by.
            model: The model's name.
            version: Ask this version only.
            label: Ask the version with this label only.
            timeout: Seconds that a request may take, retries included; more images than
                `batch_size` are several requests.
            attempts: How often a request is sent at most. Only `UNAVAILABLE` (503, no connection)
                is tried again, after a pause that grows.
            batch_size: How many images go in one request.
            request_bytes: How many bytes of images go in one request; a larger image goes alone.
            in_flight: How many requests of a batch are under way at the same time.
            token: Sent as a bearer token; refused without TLS, except on this machine.
            metadata: More headers for a proxy.
            ca: PEM file of the authorities that vouch for the server; default: the machine's.
            certificate: PEM file of the client's certificate, where the proxy wants one.
            key: PEM file of its private key.

        Raises:
            PipelineError: The address is of another form, a certificate cannot be read, the token
                would be sent unencrypted, or an argument is out of its range.
        """
        if isinstance(address, Asker):
            self._asker = address
            return
        parsed = Address.parse(address)
        if version is not None and label is not None:
            raise UsageError("Ask for a version or for a label, not for both.")
        _demand_version(version)
        limits = RequestLimits(timeout, attempts, batch_size, request_bytes, in_flight)
        if token and not (parsed.tls or parsed.local):
            raise UsageError(
                f"The token would be sent to {parsed.target} unencrypted: use grpcs:// or https://."
            )
        access = Access(token, tuple((metadata or {}).items()), ca, certificate, key)
        access.headers()  # what cannot be sent is refused here
        waiting = self._waiting()

        def connect(found: Address) -> Transport:
            try:
                return self._connect(found, access, waiting)
            except ModuleNotFoundError as error:
                if found.protocol == "rest":
                    raise
                raise UsageError(
                    f"gRPC needs the package {error.name}: pip install grpcio, or "
                    "use REST (http://HOST:8501)."
                ) from error

        self._asker = Asker(
            FindingTransport(parsed, waiting, connect)
            if parsed.protocol is None
            else connect(parsed),
            waiting,
            ModelSpec(model, version, label),
            limits,
        )

    @staticmethod
    @abstractmethod
    def _waiting() -> Waiting:
        """How it waits."""

    @staticmethod
    @abstractmethod
    def _connect(address: Address, access: Access, waiting: Waiting) -> Transport:
        """The half that an address asks for; the other one's libraries stay away."""

    def of_version(self: _Self, version: int) -> _Self:
        """The same client, asking one version only; they share the connection, and its end.

        Args:
            version: The version.

        Returns:
            A client beside this one.

        Raises:
            PipelineError: No version has such a number.
        """
        _demand_version(version)
        spec = ModelSpec(self._asker.spec.model, version)
        return type(self)(replace(self._asker, spec=spec))


def _demand_version(version: Any) -> None:
    if version is None or (isinstance(version, int) and 0 <= version <= _HIGHEST_VERSION):
        return
    raise UsageError(f"version must be a whole number from 0; this is {version!r}.")
