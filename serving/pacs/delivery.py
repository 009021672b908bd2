"""Sends answers: by C-STORE, or by STOW-RS."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pydicom
import requests
import urllib3.exceptions
from dicomweb_client.api import DICOMwebClient
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from serving.pacs.calling import caller, why_not
from serving.pacs.config import DestinationConfig
from serving.pacs.tls import client_context
from serving.pacs.web import web_client

SENT = (ComprehensiveSRStorage, SecondaryCaptureImageStorage)
"""The kinds of answers."""
_IS_THERE = 0x0111
"""Duplicate SOP instance: an archive's word for what it has, after an answer that was lost."""
_CONFLICT = 409
"""What STOW-RS answers if it stores nothing: also of what is there already."""


class UndeliveredError(Exception):
    """A destination does not have an answer; the message quotes nothing of it."""


class Destination(Protocol):
    """Where answers go."""

    name: str

    def send(self, files: Sequence[Path]) -> Generator[str | None]:
        """Sends files, one after the other.

        Yields:
            For each None, or why the destination does not have it. It ends early if the connection
            does: the last reason is then of the file that was on its way.

        Raises:
            UndeliveredError: It cannot be reached, and has none of the files.
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
        self._entity = caller(ae_title, SENT)
        self._tls = (client_context(config.tls), config.host) if config.tls else None

    def send(self, files: Sequence[Path]) -> Generator[str | None]:
        """See `Destination`."""
        config = self._config
        try:
            association = self._entity.associate(
                config.host, config.port, ae_title=config.ae_title, tls_args=self._tls
            )  # fmt: skip
        except Exception as error:
            raise UndeliveredError(f"{self.name} fails ({type(error).__name__})") from error
        if not association.is_established:
            raise UndeliveredError(f"{self.name} {why_not(association)}")
        try:
            for number, file in enumerate(files):
                if not association.is_established:
                    if number == 0:
                        raise UndeliveredError(f"{self.name} has ended the association")
                    return
                yield self._sent(association, file)
        finally:
            if association.is_established:
                association.release()

    @staticmethod
    def _sent(association: Any, file: Path) -> str | None:
        answer = _read(file)
        if isinstance(answer, str):
            return answer
        try:
            told = association.send_c_store(answer)
        except ValueError:
            return "it does not accept objects of this kind"
        except RuntimeError:
            return "the association has ended"
        except Exception as error:  # noqa: BLE001 - one answer must not stop the others
            return f"the answer cannot be sent ({type(error).__name__})"
        status = told.get("Status")
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

    def send(self, files: Sequence[Path]) -> Generator[str | None]:
        """See `Destination`."""
        with web_client(str(self._config.url), self._config.token) as client:
            for number, file in enumerate(files):
                answer = _read(file)
                if isinstance(answer, str):
                    yield answer
                    continue
                try:
                    yield self._sent(client, answer)
                except requests.RequestException as error:
                    if number == 0 and _is_unreached(error):
                        raise UndeliveredError(f"{self.name} cannot be reached") from None
                    yield "it does not answer"
                    return

    @staticmethod
    def _sent(client: DICOMwebClient, answer: Any) -> str | None:
        try:
            if "FailedSOPSequence" not in client.store_instances([answer]):
                return None
            reason = "it reports the object as failed"
        except requests.HTTPError as error:
            code = error.response.status_code if error.response is not None else "none"
            reason = f"it refuses the object with HTTP status {code}"
            if code != _CONFLICT:
                return reason
        except Exception as error:
            lost = isinstance(error, requests.RequestException)
            if lost and not isinstance(error, requests.exceptions.InvalidJSONError):
                raise
            return f"its answer cannot be read ({type(error).__name__})"
        return None if _has(client, answer) else reason


def _has(client: DICOMwebClient, answer: Any) -> bool:
    """Whether a server has an object."""
    try:
        found = client.search_for_instances(
            answer.StudyInstanceUID,
            answer.SeriesInstanceUID,
            search_filters={"SOPInstanceUID": answer.SOPInstanceUID},
        )
    except Exception:  # noqa: BLE001 - then nobody knows, and it is sent again
        return False
    return len(found) > 0


def _read(file: Path) -> Any:
    """An answer, or why it cannot be read."""
    try:
        return pydicom.dcmread(file)
    except OSError as error:
        return f"the answer cannot be read ({error.strerror})"
    except Exception as error:  # noqa: BLE001 - one answer must not stop the others
        return f"the answer cannot be read ({type(error).__name__})"


def _is_unreached(error: requests.RequestException) -> bool:
    """Whether nobody took the connection, so that it is not for what was sent."""
    if isinstance(error, requests.exceptions.SSLError | requests.ConnectTimeout):
        return True
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(cause, urllib3.exceptions.NewConnectionError)
