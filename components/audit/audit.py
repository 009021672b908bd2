"""Finds the labels of a folder that are probably wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.audit.features import Features, pooled_features
from components.audit.folds import Labels, out_of_fold
from components.audit.ranking import CONFLICT, Ranked, rank
from components.counted import counted
from components.errors import PipelineError
from components.ingest.config import IngestConfig
from components.ingest.counts import ranked
from components.ingest.folder import ImageFolder
from components.ingest.survey import Survey, survey
from components.trainer.config import Recipe


@dataclass(frozen=True)
class Audit:
    """What speaks against the labels of a folder.

    Attributes:
        survey: The images.
        classes: Sorted names of those that have images.
        labels: int64 [images], indices of `classes`.
        features: float32 [images, numbers].
        accuracy: Share of the images whose label the classifier names, each left out while it was
            fitted.
        files: The files, the most suspicious label first; of a file of several images the most
            suspicious one.
    """

    survey: Survey
    classes: tuple[str, ...]
    labels: Labels
    features: Features
    accuracy: float
    files: tuple[Ranked, ...]

    @property
    def suspects(self) -> tuple[Ranked, ...]:
        """The files whose label something speaks against."""
        return tuple(one for one in self.files if one.reason)

    @property
    def conflicts(self) -> int:
        """How many files are suspected because matches have another label."""
        return sum(one.reason == CONFLICT for one in self.files)


def audit(
    listing: ImageFolder,
    config: IngestConfig,
    recipe: Recipe,
    beam_options: Sequence[str],
    scratch: Path,
    cache: Path,
) -> Audit:
    """Reads a folder as ingest does, and puts its files in order of suspicion.

    Args:
        listing: The files, whatever split they are in.
        config: How they are read, and when two images show the same picture.
        recipe: The network whose frozen layers see the images, and what is done to pixels.
        beam_options: Options for Apache Beam.
        scratch: An existing, empty folder that every worker reaches.
        cache: The folder that trainings have their features in.

    Returns:
        What was found.

    Raises:
        PipelineError: No image can be used, there are too few, or features cannot be computed.
    """
    found = survey(listing, config, beam_options, scratch, keep=True)
    classes = tuple(sorted({record.label for record in found.records}))
    if len(classes) < 2:
        reasons = ranked(Counter(one.reason for one in found.rejections))
        raise PipelineError(
            f"{counted(len(found.records), 'image')} of {counted(len(listing.files), 'file')} in "
            f"{listing.name} can be used, of {counted(len(classes), 'class', 'classes')}; labels "
            "can be audited only if there are two"
            + "".join(f"; {number:,} x {reason}" for reason, number in [*reasons.items()][:3])
            + "."
        )
    labels = np.array([classes.index(record.label) for record in found.records], np.int64)
    features = pooled_features(found.records, scratch, recipe, cache)
    groups = found.grouping.groups[: len(labels)]
    probabilities = out_of_fold(features, labels, groups, classes)
    by_file: dict[str, Ranked] = {}
    for one in rank(labels, probabilities, found.grouping.pairs):
        by_file.setdefault(found.records[one.index].name, one)
    return Audit(
        survey=found,
        classes=classes,
        labels=labels,
        features=features,
        accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
        files=tuple(by_file.values()),
    )
