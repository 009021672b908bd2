"""Which images are of one patient, by what their files say of it."""

import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from components.ingest.config import SALT_FILE_VARIABLE, SALT_VARIABLE
from components.ingest.duplicates import join
from imaging.identity import PATIENT, STUDY, UNREAD

FILE = "file"
"""Before the digest of a file: links its frames or slices, whenever they were read."""

Links = tuple[str, ...]
"""What an image may be linked to others by: those of `imaging.identity.Identity`, and its file."""


def patient_salt() -> bytes:
    """The secret that patient ids are hashed with.

    Returns:
        What `SALT_VARIABLE` says, or else what is in the file that `SALT_FILE_VARIABLE` names, or
        else random bytes, which no later run can know.
    """
    salt = os.fsencode(os.environ.get(SALT_VARIABLE, "")).strip()
    if not salt and (file := os.environ.get(SALT_FILE_VARIABLE)) and Path(file).is_file():
        salt = Path(file).read_bytes().strip()
    return salt or secrets.token_bytes(16)


def link_patients(links: Sequence[Links]) -> list[str | None]:
    """Says which images belong together beyond their looks.

    A number links the images whose issuer is the same too, and where one of its images says no
    issuer, all of them. A study links its images where one of them names no patient. A file links
    what came out of it.

    Args:
        links: Of each image.

    Returns:
        For each image a name that linked images share; None where it is linked to none.
    """
    unissued = {link for several in links for link in several if _is_number(link)}
    nameless = {
        link
        for several in links
        if not any(link.startswith(PATIENT) for link in several)
        for link in several
        if link.startswith(STUDY)
    }
    places: dict[str, int] = {}
    images, keys = [], []
    for image, several in enumerate(links):
        for key in _keys(several, unissued, nameless):
            images.append(image)
            keys.append(places.setdefault(key, len(places)))
    count = len(links)
    pairs = np.array([images, keys], np.int64).reshape(2, -1) + np.array([[0], [count]])
    labels = join(pairs, count + len(places))[:count]
    shared = np.bincount(labels, minlength=1)[labels] > 1 if count else labels
    return [
        f"{PATIENT} {label}" if several else None
        for label, several in zip(labels.tolist(), shared.tolist(), strict=True)
    ]


def count_unlinked(
    links: Sequence[Links], patients: Sequence[str | None], records: int, check: str
) -> int:
    """Counts remembered images whose patients cannot be told from those of the new images.

    Either's numbers were hashed with another salt, or not read at all, and no image that is still
    there says whose they are.

    Args:
        links: Of each image, the remembered ones last.
        patients: What `link_patients` says of them.
        records: How many images are not only remembered.
        check: Of this run's salt, `imaging.identity.salt_check`.

    Returns:
        The number; 0 where no new image names a patient or study, or might have.
    """
    checks = [_checks(several) for several in links]
    known = _named(patients, [check in found for found in checks])
    here = _named(patients, [image < records for image in range(len(links))])
    is_named = any(check in found for found in checks[:records])
    is_unread = any(UNREAD in found for found in checks[:records])
    return sum(
        (is_named and bool(found) and check not in found and patient not in known)
        or (is_unread and bool(found - {UNREAD}) and patient not in here)
        for found, patient in zip(checks[records:], patients[records:], strict=True)
    )


def _named(patients: Sequence[str | None], chosen: Sequence[bool]) -> set[str]:
    """The patients of the images that are chosen."""
    return {patient for patient, is_one in zip(patients, chosen, strict=True) if patient and is_one}


def _keys(links: Links, unissued: Collection[str], nameless: Collection[str]) -> Iterator[str]:
    for link in links:
        if link.startswith(PATIENT):
            number = " ".join(link.split()[:3])
            yield number if number in unissued else link
        elif link.startswith(FILE) or link in nameless:
            yield link


def _is_number(link: str) -> bool:
    """Whether a link is a patient's number without an issuer."""
    return link.startswith(PATIENT) and link.count(" ") == 2


def _checks(links: Links) -> set[str]:
    """The salts that an image's numbers were hashed with; `UNREAD` where they were not."""
    salted = (link for link in links if link.startswith((PATIENT, STUDY)))
    return {link.split()[1] for link in salted} | ({UNREAD} & set(links))
