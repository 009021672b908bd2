"""Sessions with a DICOMweb server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from pydantic import SecretStr

_TIMEOUT = 30
_PLAIN = (
    "application/dicom+json",
    "application/dicom+xml",
    "application/json",
    "application/xml",
)


class _Session(requests.Session):
    """Waits no longer than `_TIMEOUT` for the next bytes."""

    def request(self, *arguments: Any, **options: Any) -> Any:
        options.setdefault("timeout", _TIMEOUT)
        return super().request(*arguments, **options)


def _without_parameters(answer: requests.Response, **_: Any) -> None:
    """Makes `application/dicom+json; charset=utf-8` one of the types that the client knows."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in _PLAIN:
        answer.headers["Content-Type"] = kind


@contextmanager
def web_client(url: str, token: SecretStr | None) -> Iterator[DICOMwebClient]:
    """Opens a session.

    Args:
        url: The server's DICOMweb address.
        token: Sent as a bearer token.

    Yields:
        A client; what it raises if the server does not answer is a `requests.RequestException`.
    """
    with _Session() as session:
        if token is not None:
            session.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        session.hooks["response"].append(_without_parameters)
        client = DICOMwebClient(url, session=session)
        client.set_http_retry_params(retry=False)
        yield client
