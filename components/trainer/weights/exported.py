"""The files of a model that another one may begin with, and how they are known by what they hold.

What is recorded of them outlives them: a model whose files are gone is still the one that others
began with.
"""

import hashlib
from pathlib import Path

EXPORTED_FILES = ("model.keras", "model.h5")
"""Beside the SavedModel's folder; `model.weights` takes either."""

DIGEST_PROPERTIES = {name: f"{name}.sha256" for name in EXPORTED_FILES}
"""The property of a Model that has the digest of each."""

WEIGHTS_PROPERTY = "weights"
"""The property of a training's execution that has the digest of the file that it began with."""

_PIECE = 1 << 20


def exported_digest(file: Path) -> str:
    """Digests a file, part by part.

    Args:
        file: The file.

    Returns:
        The SHA-256 of its bytes, in hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
