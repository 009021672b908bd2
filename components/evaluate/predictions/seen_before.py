"""Which test images a model knows from its training: those show memory, not skill."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from components.ingest.config import DuplicatesConfig
from components.ingest.duplicates import find_pairs
from components.ingest.history import EARLIER_SALT, History
from components.ingest.patients import Links, link_patients
from components.ingest.sides import Sides
from imaging.identity import PATIENT
from imaging.signature import SIGNATURE_SHAPE

_TRAINED = ("train", "eval")
_TESTED = "test"


class UnknownTrainingError(Exception):
    """Nobody can tell which images a model knows; the message is a clause that says why."""


@dataclass(frozen=True)
class Record:
    """What an ingestion wrote of its images.

    Attributes:
        folder: Where its splits are.
        policy: The split policy.
    """

    folder: Path
    policy: str


class _Image(NamedTuple):
    """An image of some ingestion.

    Attributes:
        picture: Digest of the decoded pixels.
        links: What it may be linked to others by.
        group: Of the images that match, by its own ingestion.
        signature: int8 [80, 80], zero where none was kept.
    """

    picture: str
    links: Links
    group: str
    signature: np.ndarray[Any, np.dtype[np.int8]]


def known_groups(
    tested: Path, trained: Sequence[Record], config: DuplicatesConfig
) -> frozenset[str]:
    """Finds the groups of test images of which a training knows a picture or a patient.

    What matches is what ingest says matches: the same pixels, a near duplicate, an image of the
    same patient or file, or another image of a group of which one does.

    Args:
        tested: The splits of the ingestion whose test images are asked about.
        trained: Of the ingestions whose train and eval images a model was made with.
        config: When two images count as the same picture.

    Returns:
        Groups, as the test images' Examples name them.

    Raises:
        UnknownTrainingError: It is not recorded, or patients cannot be compared.
    """
    if not trained:
        raise UnknownTrainingError("the record of its training images is gone or cannot be read")
    try:
        asked = _read(tested, [_TESTED])
    except FileNotFoundError as error:  # any other error is the moment's, and no answer
        raise UnknownTrainingError("the record of the test images is gone") from error
    known = [image for record in trained for image in _trained_on(record)]
    _check_salts(asked, known)
    pictures = {image.picture for image in known} | _near(asked, known, config)
    patients = link_patients([image.links for image in (*asked, *known)])
    trained_patients = set(patients[len(asked) :]) - {None}
    return frozenset(
        image.group
        for image, patient in zip(asked, patients, strict=False)
        if image.picture in pictures or patient in trained_patients
    )


def _read(folder: Path, sides: Sequence[str]) -> list[_Image]:
    """Reads the images of all groups of which one stands on some sides."""
    found, remembered = Sides.read(folder), History.read(folder)
    signatures = dict(zip(remembered.pictures, remembered.signatures, strict=True))
    nothing = np.zeros(SIGNATURE_SHAPE, np.int8)
    on_side = {
        group for group, side in zip(found.groups, found.splits, strict=True) if side in sides
    }
    return [
        _Image(picture, links, group, signatures.get(picture, nothing))
        for picture, links, group in zip(found.pictures, found.links, found.groups, strict=True)
        if group in on_side
    ]


def _trained_on(record: Record) -> list[_Image]:
    """The images that an ingestion gave to training, and at times others that it remembered."""
    try:
        return _read(record.folder, _TRAINED)
    except FileNotFoundError:
        # An earlier version wrote no sides. It remembered these images among those before them.
        return _remembered(record)


def _remembered(record: Record) -> list[_Image]:
    """All images that ever were on a side of training, as an earlier version wrote them."""
    try:
        history = History.read(record.folder)
    except FileNotFoundError as error:
        raise UnknownTrainingError("the record of its training images is gone") from error
    if record.policy == "as_is":  # remembered as test for good, and trained on all the same
        raise UnknownTrainingError(
            "its training images were ingested with split_policy=as_is by an earlier version, "
            "which recorded no sides of theirs"
        )
    columns = (history.pictures, history.links, history.signatures, history.splits)
    return [
        _Image(picture, links, "", signature)
        for picture, links, signature, split in zip(*columns, strict=True)
        if split in _TRAINED
    ]


def _near(asked: Sequence[_Image], known: Sequence[_Image], config: DuplicatesConfig) -> set[str]:
    """The asked pictures that are near duplicates of known ones."""
    own, others = ({one.picture: one.signature for one in images} for images in (asked, known))
    if not own or not others:
        return set()
    signatures = np.stack([*own.values(), *others.values()])
    pairs = find_pairs(signatures, config, new=np.arange(len(own)))
    across = (pairs.first < len(own)) & (pairs.second >= len(own))
    pictures = list(own)
    return {pictures[index] for index in pairs.first[across]}


def _check_salts(asked: Sequence[_Image], known: Sequence[_Image]) -> None:
    one, other = _salts(asked), _salts(known)
    if one and other == {EARLIER_SALT}:
        raise UnknownTrainingError(
            "the patients of its training images were hashed by an earlier version, in another way "
            "than those of the test images"
        )
    if one and other and not one & other:
        raise UnknownTrainingError(
            "the patients of its training images were hashed with another salt than those of the "
            "test images"
        )


def _salts(images: Sequence[_Image]) -> set[str]:
    links = (link for image in images for link in image.links)
    return {link.split()[1] for link in links if link.startswith(PATIENT)}
