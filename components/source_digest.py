"""A digest of source code, so that cached results are used only for the code that made them."""

import hashlib
from pathlib import Path

_SOURCES = {".py", ".html", ".css"}


def source_digest(*packages: str) -> str:
    """Digests the source of some of the components, page templates included.

    TFX keys its cache by an executor's class path and properties, not by what the code says. A
    component that passes this digest as a property runs again when its code has changed.

    Args:
        *packages: Names below `components` of folders, such as `"trainer"`, or of files.

    Returns:
        The first 16 hexadecimal digits of a sha256 over the files' names and bytes.
    """
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for package in sorted(packages):
        for source in sorted([root / package, *(root / package).rglob("*")]):
            if source.suffix not in _SOURCES:
                continue
            digest.update(source.relative_to(root).as_posix().encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
