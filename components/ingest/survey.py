"""What is in a folder: which images can be used, and which of them show the same picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from components.ingest.compared import Compared, compare
from components.ingest.config import IngestConfig
from components.ingest.duplicates import Grouping, Indices, Pairs, Signatures, group_images
from components.ingest.folder import ImageFolder
from components.ingest.history import History
from components.ingest.looks import Rejection, look_at
from components.ingest.patients import Links, count_unlinked, link_patients, patient_salt
from components.ingest.records import ImageRecord
from components.ingest.remembered import links_of, looks_as_before, unlinked_error
from imaging.appearance import Vectors
from imaging.identity import salt_check


@dataclass(frozen=True)
class Survey:
    """What was found in a folder.

    Where an earlier ingestion is remembered, `grouping` and `pictures` go on behind the records
    with its images, in the order of `history`.

    Attributes:
        folder: The listing, `unnamed` files included that turned out so when they were read.
        records: The accepted images, sorted by name and frame.
        rejections: The other files, sorted by name.
        signatures: int8 [records, 80, 80].
        appearances: float32 [records, numbers], see `imaging.appearance`.
        history: Images of earlier ingestions that are not in the folder now.
        patients: For each record, what links it to others beyond its looks, or None.
        grouping: Which images show the same picture or the same patient.
        pictures: int64 [records + history]: equal numbers mean identical pixels.
        seen_exactly: For each record, whether it is a test image whose pixels are those of an image
            in the original training folder.
        seen: The same, for any match: exact, near, or an image of the same patient or file.
        links: For each record, what its file says of whose it is, in this ingestion or before.
        unlinked: Images of `history` whose patients cannot be told from those of the records.
        compared: What the next ingestion need not compare again.
    """

    folder: ImageFolder
    records: tuple[ImageRecord, ...]
    rejections: tuple[Rejection, ...]
    signatures: Signatures
    appearances: Vectors
    history: History
    patients: tuple[str | None, ...]
    grouping: Grouping
    pictures: Indices
    seen_exactly: tuple[bool, ...]
    seen: tuple[bool, ...]
    links: tuple[Links, ...] = ()
    unlinked: int = 0
    compared: Compared = field(default_factory=Compared)


def survey(
    folder: ImageFolder,
    config: IngestConfig,
    beam_options: Sequence[str],
    scratch: Path,
    history: History | None = None,
    *,
    keep: bool = False,
) -> Survey:
    """Looks at every file of a folder.

    Args:
        folder: The listing.
        config: Classes, limits, and when two images count as the same picture.
        beam_options: Options for Apache Beam.
        scratch: An existing folder that every worker reaches, for what is passed on.
        history: Images of earlier ingestions to compare with, too.
        keep: Whether the accepted pictures are kept in `scratch`, to be needed again.

    Returns:
        What was found.

    Raises:
        PipelineError: Patients cannot be told from those of earlier ingestions.
    """
    salt = patient_salt()
    looks = look_at(folder, config, beam_options, scratch, salt, keep=keep)
    records, signatures = looks.records, looks.signatures
    known = history or History()
    history = known.without({record.picture for record in records})
    links = tuple(links_of(records, known, folder.labels, salt))
    everyone = link_patients([*links, *history.links])
    unlinked = count_unlinked([*links, *history.links], everyone, len(records), salt_check(salt))
    if unlinked and config.unlinked_history == "refuse":
        raise unlinked_error(unlinked)
    patients = tuple(everyone[: len(records)])
    digests = [*(record.picture for record in records), *history.pictures]
    # A signature an image is all that has to fit into memory, so none is copied for nothing.
    everything = (
        np.concatenate([signatures, history.signatures]) if len(history.pictures) else signatures
    )
    before = known.compared
    if not looks_as_before(records, signatures, known):
        before = Compared()
    pairs, pictures, compared = compare(digests, everything, before, config.duplicates)
    exactly, near = _seen(records, patients, pictures, pairs)
    return Survey(
        folder=replace(folder, unnamed=folder.unnamed + looks.unnamed),
        records=records,
        rejections=looks.rejections,
        signatures=signatures,
        appearances=looks.appearances,
        history=history,
        patients=patients,
        grouping=group_images(digests, everyone, pairs, config.duplicates),
        pictures=pictures,
        seen_exactly=exactly,
        seen=near,
        links=links,
        unlinked=unlinked,
        compared=compared,
    )


def _seen(
    records: Sequence[ImageRecord],
    patients: Sequence[str | None],
    pictures: Indices,
    pairs: Pairs,
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Which records are test images with an exact, and with any, match in the training folder."""
    trained = {
        patient
        for record, patient in zip(records, patients, strict=True)
        if patient and record.folder_split != "test"
    }
    patient_seen = np.array([patient in trained for patient in patients], bool)
    is_test = np.array([record.folder_split == "test" for record in records], bool)
    own = pictures[: len(records)]
    in_training = np.zeros(len(pictures), bool)
    in_training[own[~is_test]] = True
    matched = in_training.copy()
    for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        matched[pictures[one[in_training[pictures[other]]]]] = True
    exactly = is_test & in_training[own]
    near = is_test & (matched[own] | patient_seen)
    return tuple(exactly.tolist()), tuple(near.tolist())
