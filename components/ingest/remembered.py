"""What is remembered of a folder's images: whose they were, and how they looked."""

from collections.abc import Iterator, Sequence

import numpy as np

from components.counted import counted
from components.errors import PipelineError
from components.ingest.config import SALT_VARIABLE
from components.ingest.duplicates import Signatures
from components.ingest.history import History
from components.ingest.labels import Labels
from components.ingest.patients import FILE, Links
from components.ingest.records import ImageRecord
from imaging.identity import patient_link


def links_of(
    records: Sequence[ImageRecord], known: History, labels: Labels | None, salt: bytes
) -> Iterator[Links]:
    """What links images beyond their looks: whose they are, now or before, and their file.

    Args:
        records: The images.
        known: What earlier ingestions knew.
        labels: A table that may say whose a path's images are.
        salt: The secret that ids are hashed with.

    Yields:
        The links of each image.
    """
    before = known.links_by_picture()
    for record in records:
        here = [*record.links, f"{FILE} {record.file_sha256}"]
        if labels and (link := patient_link(labels.patient_of(record.name), "", salt)):
            here.append(link)
        yield tuple(dict.fromkeys([*here, *before.get(record.picture, ())]))


def looks_as_before(records: Sequence[ImageRecord], signatures: Signatures, known: History) -> bool:
    """Whether pictures have the signatures that are remembered of them.

    Args:
        records: The images.
        signatures: Of the same.
        known: What earlier ingestions knew.
    """
    rows = {picture: row for row, picture in enumerate(known.pictures)}
    return all(
        np.array_equal(signatures[index], known.signatures[rows[record.picture]])
        for index, record in enumerate(records)
        if record.picture in rows
    )


def unlinked_error(count: int) -> PipelineError:
    """Says that patients could be unlinked, and how to go on.

    Args:
        count: Remembered images that would be.
    """
    return PipelineError(
        f"The patients of {counted(count, 'image')} from earlier runs cannot "
        "be matched with those of new images, so a patient of the test set could be trained on: "
        "their ids were hashed with another salt, or with ingest.dicom.patient_ids=ignore. Set "
        f"{SALT_VARIABLE} to the salt of those runs, or restore the file patient-salt of their "
        "work folder. If it is lost, --set ingest.unlinked_history=accept continues, and the "
        "report says how many images this concerns."
    )
