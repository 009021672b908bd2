"""The images of a folder that a model is asked about, and which of them it was trained on."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.errors import UsageError
from components.evaluate.predictions.seen_before import Record, known_groups
from components.ingest.config import DuplicatesConfig
from components.ingest.counts import ranked
from components.ingest.folder import ImageFolder, list_images
from components.ingest.history import History
from components.ingest.labels import read_labels
from components.ingest.sides import Sides
from components.ingest.splits import remember
from components.ingest.survey import Survey

_TESTED = "test"


def list_known(
    data: Path, labels: Path | None, classes: Sequence[str]
) -> tuple[ImageFolder, dict[str, int]]:
    """Lists a folder, and tells the classes apart that a model does not know.

    Args:
        data: The folder, of any layout that ingest reads; all its spans count.
        labels: A table of labels, or None.
        classes: Those that the model knows.

    Returns:
        The listing of all files but those of other classes, and how many there are of these, by
        class.

    Raises:
        UsageError: The folder or the table cannot be used, or no file is of a known class.
    """
    listing = list_images(
        data, window=sys.maxsize, labels=read_labels(labels), classes=classes, least=1
    )
    # What a table says of a study or a patient is known when a file is read.
    unknown = Counter(file.label for file in listing.files if file.label not in ("", *classes))
    files = tuple(file for file in listing.files if file.label not in unknown)
    if not files:
        raise UsageError(
            f"{data} holds no image of a class that the model knows: it has "
            f"{', '.join(listing.classes)}, and the model knows {', '.join(classes)}. Name the "
            "folders as the model does, or give a table with --labels."
        )
    return replace(listing, files=files), ranked(unknown)


def trained_on(
    found: Survey, trained: Sequence[Record], config: DuplicatesConfig, scratch: Path
) -> frozenset[str]:
    """Finds the groups of images of which a training knows a picture or a patient.

    Args:
        found: The images.
        trained: What the ingestions behind the model wrote.
        config: When two images count as the same picture.
        scratch: An existing, empty folder.

    Returns:
        Groups, as `found.grouping` names them.

    Raises:
        UnknownTrainingError: It is not recorded, or patients cannot be compared.
    """
    count = len(found.records)
    splits = (_TESTED,) * count
    remember(found, splits, History(), scratch)
    pictures = tuple(record.picture for record in found.records)
    Sides(pictures, found.links, found.grouping.groups[:count], splits).write(scratch)
    return known_groups(scratch, trained, config)
