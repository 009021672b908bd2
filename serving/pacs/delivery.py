"""Sends answers: by C-STORE, or by STOW-RS."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pydicom
import requests
from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE

from serving.pacs.config import DestinationConfig
from serving.pacs.tls import client_context
from serving.pacs.web import web_client

SENT = (ComprehensiveSRStorage, SecondaryCaptureImageStorage)
"""The kinds of answers."""
_IS_THERE = 0x0111
"""Duplicate SOP instance: an archive's word for what it has, after an answer that was lost."""
_TIMEOUT = 30


class UndeliveredError(Exception):
    """A destination does not have an answer; the message quotes nothing of it."""


class Destination(Protocol):
    """Where answers go."""

    name: str

    def send(self, files: Sequence[Path]) -> Iterator[str | None]:
        """Sends files, one after the other.

        Yields:
            For each None, or why the destination does not have it.

        Raises:
            UndeliveredError: It cannot be reached.
        """


def destination(config: DestinationConfig, ae_title: str) -> Destination:
    """Makes a destination of its settings.

    Args:
        config: They.
        ae_title: What the node calls itself.

    Raises:
        PipelineError: A certificate cannot be used.
    """
    if config.url is not None:
        return _Web(config)
    return _Store(config, ae_title)


class _Store:
    """An archive that is spoken to by C-STORE."""

    def __init__(self, config: DestinationConfig, ae_title: str) -> None:
        self.name = config.name
        self._config = config
        self._entity = AE(ae_title=ae_title)
        entity = self._entity
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT
        entity.connection_timeout = _TIMEOUT
        for kind in SENT:
            entity.add_requested_context(kind, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        self._tls = (client_context(config.tls), config.host) if config.tls else None

    def send(self, files: Sequence[Path]) -> Iterator[str | None]:
        """See `Destination`."""
        config = self._config
        association = self._entity.associate(
            config.host, config.port, ae_title=config.ae_title, tls_args=self._tls
        )  # fmt: skip
        if not association.is_established:
            refused = (
                " refuses the association" if association.is_rejected else " cannot be reached"
            )
            raise UndeliveredError(f"{self.name}{refused}")
        try:
            for file in files:
                if not association.is_established:
                    raise UndeliveredError(f"{self.name} has ended the association")
                yield self._sent(association, file)
        finally:
            if association.is_established:
                association.release()

    @staticmethod
    def _sent(association: Any, file: Path) -> str | None:
        try:
            answer = association.send_c_store(pydicom.dcmread(file))
        except ValueError:
            return "it does not accept objects of this kind"
        except RuntimeError:
            return "the association has ended"
        status = answer.get("Status")
        if status is None:
            return "it does not answer"
        if status in (0x0000, _IS_THERE) or status & 0xF000 == 0xB000:  # a warning: it is stored
            return None
        return f"it refuses the object with status {status:04X}"


class _Web:
    """An archive that is spoken to by STOW-RS."""

    def __init__(self, config: DestinationConfig) -> None:
        self.name = config.name
        self._config = config

    def send(self, files: Sequence[Path]) -> Iterator[str | None]:
        """See `Destination`."""
        with web_client(str(self._config.url), self._config.token) as client:
            for file in files:
                try:
                    answer = client.store_instances([pydicom.dcmread(file)])
                except requests.HTTPError as error:
                    code = error.response.status_code if error.response is not None else "none"
                    yield f"it refuses the object with HTTP status {code}"
                    continue
                except requests.RequestException:
                    raise UndeliveredError(f"{self.name} cannot be reached") from None
                yield "it reports the object as failed" if "FailedSOPSequence" in answer else None
