"""Whose a DICOM file is, as salted hashes: to look it up in a table, and to link it to others.

A table is looked up by numbers as they stand. Links are wider, as images of one patient that are
not linked may be trained on and tested with: see `Identity.links`.
"""

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import NewType

PATIENT = "patient"
STUDY = "study"
UNREAD = "unread"
"""The one link of a DICOM file that has numbers which were not to be read."""

Key = NewType("Key", bytes)

_PLACEHOLDER = re.compile(
    r"x*|unknown|none|null|nil|n ?a|empty|removed|deleted|redacted"
    r"|(de ?identified|anon(ym(ous|i[sz]ed)?)?)( (patient|id|subject))?"
    r"|(no |unknown )?(patient ?)?(id|name|number)?"
)
"""Numbers in lower case, with spaces for punctuation, that name nobody."""


@dataclass(frozen=True)
class Identity:
    """Whose a file is.

    Attributes:
        keys: Hashes of its study and its patient, as far as it names them, to be looked up.
        links: What it may be linked to others by: `patient CHECK NUMBER` or, where the number's
            issuer is known, `patient CHECK NUMBER ISSUER`, of each number that the patient has, and
            `study CHECK UID`. CHECK tells salts apart. Numbers and issuers that differ in case,
            spaces, or zeros in front are the same, and placeholders such as `ANONYMOUS` are none.
    """

    keys: tuple[Key, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def patient(self) -> str | None:
        """One hash of the patient's number and its issuer, 32 hexadecimal digits; or None."""
        first = next((link for link in self.links if link.startswith(PATIENT)), None)
        return hashlib.sha256(first.encode()).hexdigest()[:32] if first else None


NOBODY = Identity()


def hashed(kind: str, number: str, salt: bytes) -> Key:
    """Hashes a number so that nobody without the salt can try it out.

    Args:
        kind: `PATIENT` or `STUDY`.
        number: A PatientID or a StudyInstanceUID.
        salt: A secret.

    Returns:
        HMAC-SHA256 of both.
    """
    return Key(_digest(salt, kind, unicodedata.normalize("NFC", number.strip(" \0"))))


def salt_check(salt: bytes) -> str:
    """What tells whether two salts are the same, and nothing else of them.

    It tells, too, whether hashes were made in one way: the constant in it changes with the rules.
    """
    return _digest(salt, "check", "1").hex()[:16]


def patient_link(number: str, issuer: str, salt: bytes) -> str:
    """Hashes a patient's number, wherever it is written.

    Args:
        number: It.
        issuer: Who gave it, or nothing.
        salt: A secret.

    Returns:
        One of `Identity.links`; nothing for a placeholder.
    """
    number, issuer = _plain(number).lstrip("0 "), _plain(issuer)
    if _PLACEHOLDER.fullmatch(re.sub(r"[\W_]+", " ", number).strip()):
        return ""
    hashes = _short(salt, PATIENT, number)
    if issuer:
        hashes += " " + _short(salt, "issuer", f"{number}\0{issuer}")
    return f"{PATIENT} {salt_check(salt)} {hashes}"


def study_link(uid: str, salt: bytes) -> str:
    """Hashes a study's StudyInstanceUID.

    Args:
        uid: It.
        salt: A secret.

    Returns:
        One of `Identity.links`; nothing for a placeholder.
    """
    uid = uid.strip(" \0")
    return f"{STUDY} {salt_check(salt)} {_short(salt, STUDY, uid)}" if uid.strip("0.") else ""


def _plain(text: str) -> str:
    """Without what people and machines write differently: case, width, spaces."""
    folded = unicodedata.normalize("NFKC", text.replace("\0", " ")).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _short(salt: bytes, kind: str, text: str) -> str:
    return _digest(salt, f"link {kind}", text).hex()[:32]


def _digest(salt: bytes, kind: str, text: str) -> bytes:
    message = f"{kind}\0{text}".encode(errors="backslashreplace")
    return hmac.digest(salt, message, hashlib.sha256)
