"""Names of container images."""

import re

from components.errors import UsageError

_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_DOMAIN}(?:\.{_DOMAIN})*(?::\d{{1,5}})?/)?{_PART}(?:/{_PART})*"
    r"(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
"""The grammar of image references that registries agree on (the OCI distribution's)."""


def check_image(image: str) -> str:
    """Refuses what cannot be an image's name.

    Args:
        image: `[REGISTRY[:PORT]/]NAME[:TAG][@sha256:DIGEST]`.

    Returns:
        The name.

    Raises:
        UsageError: It is none.
    """
    if not _IMAGE.fullmatch(image):
        raise UsageError(
            f"{image!r} is not the name of a container image: expected "
            "[REGISTRY/]NAME[:TAG][@sha256:DIGEST] in lower case, such as "
            "registry.example.com/brain-mri:1.0."
        )
    return image
