"""Which test images a model knows from its training: those show memory, not skill."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class _Images:
    """Images of some ingestions.

    Attributes:
        pictures: Digests of the decoded pixels.
        links: What each may be linked to others by.
        groups: Of the test images that match, each by its own ingestion.
        signatures: int8 [images, 80, 80], zero where none was kept.
    """

    pictures: tuple[str, ...]
    links: tuple[Links, ...]
    groups: tuple[str, ...]
    signatures: np.ndarray[Any, np.dtype[np.int8]]

    @staticmethod
    def read(folder: Path, sides: Sequence[str]) -> "_Images":
        """Reads the images of all groups of which one stands on some sides."""
        found, remembered = Sides.read(folder), History.read(folder)
        named = zip(found.groups, found.splits, strict=True)
        on_side = {group for group, side in named if side in sides}
        rows = [row for row, group in enumerate(found.groups) if group in on_side]
        places = {picture: place for place, picture in enumerate(remembered.pictures)}
        signatures = np.zeros((len(rows), *SIGNATURE_SHAPE), np.int8)
        for place, row in enumerate(rows):
            if (known := places.get(found.pictures[row])) is not None:
                signatures[place] = remembered.signatures[known]
        return _Images(
            tuple(found.pictures[row] for row in rows),
            tuple(found.links[row] for row in rows),
            tuple(found.groups[row] for row in rows),
            signatures,
        )

    @staticmethod
    def joined(parts: Sequence["_Images"]) -> "_Images":
        """The images of several ingestions."""
        return _Images(
            tuple(chain.from_iterable(part.pictures for part in parts)),
            tuple(chain.from_iterable(part.links for part in parts)),
            tuple(chain.from_iterable(part.groups for part in parts)),
            np.concatenate([part.signatures for part in parts]),
        )


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
        asked = _Images.read(tested, [_TESTED])
    except FileNotFoundError as error:  # any other error is the moment's, and no answer
        raise UnknownTrainingError("the record of the test images is gone") from error
    known = _Images.joined([_trained_on(record) for record in trained])
    _check_salts(asked.links, known.links)
    count = len(asked.pictures)
    matched = np.isin(np.array(asked.pictures, object), np.array(known.pictures, object))
    patients = link_patients([*asked.links, *known.links])
    trained_patients = set(patients[count:]) - {None}
    matched |= np.array([patient in trained_patients for patient in patients[:count]], bool)
    matched |= _near(asked, known, config)
    return frozenset(group for group, found in zip(asked.groups, matched, strict=True) if found)


def _trained_on(record: Record) -> _Images:
    """The images that an ingestion gave to training, and at times others that it remembered."""
    try:
        return _Images.read(record.folder, _TRAINED)
    except FileNotFoundError:
        # An earlier version wrote no sides. It remembered these images among those before them.
        return _remembered(record)


def _remembered(record: Record) -> _Images:
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
    rows = [row for row, split in enumerate(history.splits) if split in _TRAINED]
    return _Images(
        tuple(history.pictures[row] for row in rows),
        tuple(history.links[row] for row in rows),
        ("",) * len(rows),
        history.signatures[rows],
    )


def _near(
    asked: _Images, known: _Images, config: DuplicatesConfig
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which images are near duplicates of known ones."""
    count = len(asked.pictures)
    _, own, copies = np.unique(asked.pictures, return_index=True, return_inverse=True)
    _, others = np.unique(known.pictures, return_index=True)
    found = np.zeros(count, bool)
    if not len(own) or not len(others):
        return found
    signatures = np.concatenate([asked.signatures[own], known.signatures[others]])
    pairs = find_pairs(signatures, config, new=np.arange(len(own)))
    across = (pairs.first < len(own)) & (pairs.second >= len(own))
    pictures = np.zeros(len(own), bool)
    pictures[pairs.first[across]] = True
    found |= pictures[copies]
    return found


def _check_salts(asked: Sequence[Links], known: Sequence[Links]) -> None:
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


def _salts(links: Sequence[Links]) -> set[str]:
    return {link.split()[1] for several in links for link in several if link.startswith(PATIENT)}
