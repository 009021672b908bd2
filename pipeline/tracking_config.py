"""Where runs are shown besides: the address of an MLflow server."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def checked_uri(uri: str) -> str:
    """Refuses what is not the address of a server, or holds a secret.

    Args:
        uri: The address.

    Returns:
        It, without a slash at its end.

    Raises:
        ValueError: It cannot be used.
    """
    parts = urlsplit(uri)
    if parts.username or parts.password:
        raise ValueError(
            "it holds a name or password: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD instead, which are written nowhere"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is not the address of an MLflow server, as in http://HOST:5000")
    return uri.rstrip("/")


TrackingUri = Annotated[str, AfterValidator(checked_uri)]
"""The address of an MLflow server."""
