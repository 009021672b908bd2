"""Whose a DICOM data set is."""

from typing import Any

from imaging.dicom.elements import several, value
from imaging.identity import (
    NOBODY,
    PATIENT,
    STUDY,
    UNREAD,
    Identity,
    hashed,
    patient_link,
    study_link,
)

ELEMENTS = (
    "IssuerOfPatientID",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "PatientID",
    "StudyInstanceUID",
)
"""What must have been parsed of a data set."""


def identify(dataset: Any, salt: bytes, *, linked: bool = True) -> Identity:
    """Reads whose a DICOM data set is.

    Args:
        dataset: It, with `ELEMENTS` parsed.
        salt: A secret; without one nothing is read.
        linked: Whether its numbers tell patients apart.

    Returns:
        Hashes alone.
    """
    if not salt:
        return NOBODY
    study, number = _text(dataset, "StudyInstanceUID"), _text(dataset, "PatientID")
    keys = tuple(
        hashed(kind, text, salt) for kind, text in ((STUDY, study), (PATIENT, number)) if text
    )
    if not linked:
        return Identity(keys, (UNREAD,) if keys else ())
    numbers = [(number, _text(dataset, "IssuerOfPatientID"))]
    numbers += [(str(one or ""), "") for one in several(value(dataset, "OtherPatientIDs"))]
    numbers += [
        (_text(one, "PatientID"), _text(one, "IssuerOfPatientID"))
        for one in several(value(dataset, "OtherPatientIDsSequence"))
    ]
    links = [patient_link(number, issuer, salt) for number, issuer in numbers]
    links.append(study_link(study, salt))
    return Identity(keys, tuple(dict.fromkeys(filter(None, links))))


def _text(dataset: Any, keyword: str) -> str:
    return str(value(dataset, keyword) or "").strip(" \0")
