"""UIDs that are derived, so that the same thing gets the same one wherever it is made again."""

import uuid

_SPACE = uuid.UUID("6f0f2c5e-0d6b-5a39-9a5c-5f1f9c0f6f11")
"""Of this project: what others derive of the same text is another UID."""


def derived_uid(*parts: str) -> str:
    """Derives a UID (PS3.5 B.2: a UUID below 2.25).

    Args:
        *parts: What it stands for; their order counts.

    Returns:
        The UID, 64 characters at most. Nobody can tell the parts from it unless they are guessed.
    """
    text = "".join(f"{len(one)}:{one}" for one in parts)  # so that no two lists give one text
    return f"2.25.{uuid.uuid5(_SPACE, text).int}"
