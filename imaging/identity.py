"""Whose a DICOM file is, as salted hashes: to look it up in a table, and never to be kept."""

import hashlib
import hmac
import os
import unicodedata
from typing import NewType

PATIENT = "patient"
STUDY = "study"

Key = NewType("Key", bytes)

_ELEMENTS = {STUDY: "StudyInstanceUID", PATIENT: "PatientID"}
"""The nearer one first."""


def hashed(kind: str, number: str, salt: bytes) -> Key:
    """Hashes a number so that nobody without the salt can try it out.

    Args:
        kind: `PATIENT` or `STUDY`.
        number: A PatientID or a StudyInstanceUID.
        salt: A secret.

    Returns:
        HMAC-SHA256 of both.
    """
    number = unicodedata.normalize("NFC", number.strip(" \0"))
    message = f"{kind}\0{number}".encode(errors="backslashreplace")
    return Key(hmac.digest(salt, message, hashlib.sha256))


def read_keys(path: str | os.PathLike[str], salt: bytes) -> tuple[Key, ...]:
    """Reads what a DICOM file may be looked up by.

    Args:
        path: A file that `imaging.reader` has read: sizes and limits are not looked at again.
        salt: As in `hashed`.

    Returns:
        Hashes of its study and its patient, as far as it names them.
    """
    import pydicom

    try:
        dataset = pydicom.dcmread(
            path, force=True, stop_before_pixels=True, specific_tags=list(_ELEMENTS.values())
        )
        numbers = {kind: str(dataset.get(name) or "") for kind, name in _ELEMENTS.items()}
    except Exception:  # noqa: BLE001 - hostile bytes raise anything, with a text that quotes them
        return ()
    return tuple(hashed(kind, number, salt) for kind, number in numbers.items() if number.strip())
