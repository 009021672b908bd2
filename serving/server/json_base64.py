"""Bytes in JSON: objects of the form `{"b64": ...}`."""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from serving.server.errors import invalid_argument
from serving.server.json_document import shown


def is_base64(value: Any) -> bool:
    """Whether a JSON value is such an object."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decoded_base64(value: Mapping[str, Any]) -> bytes:
    """The bytes of such an object.

    Raises:
        StatusError: It is another object, or no base64.
    """
    if not is_base64(value):
        raise invalid_argument(
            f"JSON Value: {shown(value)} not formatted correctly for base64 data"
        )
    # As absl reads it: space counts for nothing, and the padding may be missing.
    text = re.sub(r"\s", "", value["b64"])
    body = text.rstrip("=")
    try:
        if len(text) - len(body) > 2 or len(body) % 4 == 1:
            raise binascii.Error("wrong length")
        return b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Unable to base64 decode") from None
