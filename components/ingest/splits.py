"""Which image goes to which split, so that no picture and no patient stands on two sides."""

import csv
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.counted import counted
from components.errors import PipelineError, UsageError, path_error
from components.ingest.config import IngestConfig
from components.ingest.duplicates import Indices
from components.ingest.history import History
from components.ingest.split_names import SPLITS
from components.ingest.survey import Survey

_LOG = logging.getLogger(__name__)

EXCLUDED = "excluded"
SPLIT_FILE = "splits.csv"

_COLUMNS = ("name", "frame", "label", "split", "group", "seen")
_CLAIM = {"test": 0, "eval": 1, "train": 2}
"""Where a group stands on two sides, the one with the lowest number keeps its images."""


@dataclass(frozen=True)
class Assignment:
    """The split of every image.

    Attributes:
        splits: For each of the survey's records: `train`, `eval`, `test` or `excluded`.
        remembered: Records whose side was known from an earlier ingestion.
        remaining_cross_split: Found pairs of the survey's records that still stand in two different
            splits.
    """

    splits: tuple[str, ...]
    remembered: int
    remaining_cross_split: int


def assign_splits(survey: Survey, config: IngestConfig, history: History) -> Assignment:
    """Assigns every image to train, eval or test, or sets it aside.

    The folder that an image came in, or the split file, gives its side; under policy `group` only
    the split file does. Where no image is given to test, or none to eval, a share of each class is
    drawn: whole groups, in the order of their digests, so that the draw depends on the pictures'
    content alone, neither on names nor on order.

    Unless the policy is `as_is`, a group that stands on a side, now or in an earlier ingestion,
    stays on it: its other images join it there if that side is drawn, and are set aside if it is
    given. So is, in the end, whatever still matches an image on another side.

    Args:
        survey: All accepted images and what they resemble.
        config: Policy and shares.
        history: The sides of earlier ingestions' images.

    Returns:
        The splits.

    Raises:
        PipelineError: The split file cannot be used, or a split is left empty.
    """
    known = history.splits_by_picture()
    remembered = [known.get(record.picture) for record in survey.records]
    sides = _given(survey, config)
    drawn = [split for split in ("test", "eval") if split not in sides]
    if config.split_policy != "as_is":
        _claim(sides, [*remembered, *survey.history.splits], survey, drawn)
    shares = {"test": config.test_share, "eval": config.eval_share}
    for split in drawn:
        for index in list(_draw(split, shares[split], sides, survey)):
            sides[index] = split
    splits = [side or "train" for side in sides]
    if config.split_policy != "as_is":
        _separate(splits, survey)
    _check(splits, survey)
    return Assignment(
        splits=tuple(splits),
        remembered=sum(side is not None for side in remembered),
        remaining_cross_split=_crossing(splits, survey),
    )


def write_splits(path: Path, survey: Survey, splits: Sequence[str]) -> None:
    """Writes the splits as CSV, to be read, edited and fed back as `ingest.split_file`."""
    # A file's name need not be valid UTF-8; its bytes are kept as they are.
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for record, split, group, seen in zip(
            survey.records, splits, survey.grouping.groups, survey.seen, strict=False
        ):
            writer.writerow([record.name, record.frame, record.label, split, group, int(seen)])


def remember(survey: Survey, splits: Sequence[str], history: History, folder: Path) -> None:
    """Writes what the next ingestion must know: every image that ever was on a side, test for good.

    Args:
        survey: This ingestion's images.
        splits: Their sides.
        history: What this ingestion knew.
        folder: Where to.
    """
    known = history.splits_by_picture()
    sides = []
    for record, split in zip(survey.records, splits, strict=True):
        before = known.get(record.picture, "")
        sides.append(before if before == "test" or split == EXCLUDED else split)
    pictures = tuple(record.picture for record in survey.records)
    now = History(pictures, survey.links, tuple(sides), survey.signatures, survey.compared)
    now.write(folder, survey.history)


def _given(survey: Survey, config: IngestConfig) -> list[str | None]:
    """The sides that are given to test, eval, train or none; None is still open."""
    by_file = _read_splits(config.split_file) if config.split_file else {}
    names = {(record.name, record.frame) for record in survey.records}
    if by_file and (strangers := by_file.keys() - names):
        if len(strangers) == len(by_file):
            raise UsageError(
                f"None of the images that the split file {config.split_file} names is in "
                f"{survey.folder.root}; the first one is {min(strangers)[0]!r}."
            )
        _LOG.warning(
            "%s of %s images that the split file names are not in the data folder",
            f"{len(strangers):,}",
            f"{len(by_file):,}",
        )
    given: list[str | None] = []
    for record in survey.records:
        side = by_file.get((record.name, record.frame))
        if side is None and config.split_policy != "group" and record.folder_split != "train":
            side = record.folder_split
        given.append(side)
    return given


def _read_splits(path: Path) -> dict[tuple[str, int], str]:
    try:
        # A spreadsheet may have put a byte order mark first.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if not {"name", "frame", "split"} <= set(reader.fieldnames or ()):
                raise ValueError
            splits = {(row["name"], int(row["frame"])): row["split"].strip() for row in reader}
    except OSError as error:
        raise path_error(error)(
            f"The split file {path} cannot be read: {error.strerror}."
        ) from error
    except (csv.Error, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"The split file {path} is not a CSV file with the columns name, frame and split: "
            f"start from the {SPLIT_FILE} of an earlier run."
        ) from error
    if unknown := sorted(set(splits.values()) - {*SPLITS, EXCLUDED}):
        raise UsageError(
            f"The split file {path} names the split {unknown[0]!r}; known are "
            f"{', '.join([*SPLITS, EXCLUDED])}."
        )
    return splits


def _claim(
    sides: list[str | None],
    remembered: Sequence[str | None],
    survey: Survey,
    drawn: Sequence[str],
) -> None:
    """Puts the open images of groups that stand on a side there, or sets them aside."""
    claims: dict[str, str] = {}
    for group, *held in zip(
        survey.grouping.groups, [*sides, *survey.history.splits], remembered, strict=True
    ):
        for side in held:
            if side in _CLAIM and _CLAIM[side] < _CLAIM.get(claims.get(group, ""), len(_CLAIM)):
                claims[group] = side
    for index, side in enumerate(sides):
        claim = claims.get(survey.grouping.groups[index])
        if side is None and claim is not None:
            sides[index] = claim if claim == "train" or claim in drawn else EXCLUDED


def _draw(split: str, share: float, sides: Sequence[str | None], survey: Survey) -> Iterator[int]:
    """Draws whole open groups of each class until the split has its share of the open images."""
    members: dict[str, list[int]] = defaultdict(list)
    wanted: Counter[str] = Counter()
    for index, (record, side) in enumerate(zip(survey.records, sides, strict=True)):
        if side is None:
            members[survey.grouping.groups[index]].append(index)
        if side in (None, split, "train"):
            wanted[record.label] += 1
    wanted = Counter({label: round(share * count) for label, count in wanted.items()})
    for record, side in zip(survey.records, sides, strict=True):
        if side == split:
            wanted[record.label] -= 1
    for group in sorted(members):
        labels = Counter(survey.records[index].label for index in members[group])
        label = min(labels, key=lambda name: (-labels[name], name))
        if wanted[label] > 0:
            wanted[label] -= len(members[group])
            yield from members[group]


def _separate(splits: list[str], survey: Survey) -> None:
    """Sets aside what matches an image on a side that comes before its own."""
    everywhere = [*splits, *survey.history.splits]
    first: dict[str, int] = {}
    for group, side in zip(survey.grouping.groups, everywhere, strict=True):
        if side in _CLAIM:
            first[group] = min(_CLAIM[side], first.get(group, len(_CLAIM)))
    for index, side in enumerate(splits):
        if side in _CLAIM and _CLAIM[side] > first[survey.grouping.groups[index]]:
            splits[index] = EXCLUDED
    # A chain of lookalikes that was taken apart leaves pairs between its parts.
    none = len(_CLAIM)
    claims = np.array([_CLAIM.get(side, none) for side in [*splits, *survey.history.splits]])
    of_picture = np.full(survey.pictures.max() + 1, none)
    np.minimum.at(of_picture, survey.pictures, claims)
    nearby = of_picture.copy()
    for one, other in (pairs := _picture_pairs(survey)), pairs[::-1]:
        np.minimum.at(nearby, one, of_picture[other])
    apart = claims[: len(splits)] > nearby[survey.pictures[: len(splits)]]
    for index in np.flatnonzero(apart).tolist():
        splits[index] = EXCLUDED


def _crossing(splits: Sequence[str], survey: Survey) -> int:
    """How many pairs of images match and stand in two splits; copies of an image count, too.

    An image that is no longer in the folder is neither trained on nor tested with.
    """
    counts = np.zeros((survey.pictures.max() + 1, len(_CLAIM)), np.int64)
    for picture, side in zip(survey.pictures.tolist(), splits, strict=False):
        if side in _CLAIM:
            counts[picture, _CLAIM[side]] += 1
    one, other = _picture_pairs(survey)
    totals = counts.sum(axis=1)
    apart = totals[one] * totals[other] - (counts[one] * counts[other]).sum(axis=1)
    copies = (totals**2 - (counts**2).sum(axis=1)) // 2
    return int(apart.sum() + copies.sum())


def _picture_pairs(survey: Survey) -> Indices:
    """Pairs of different pictures that match, int64 [2, pairs]; a picture may be several images."""
    found = survey.grouping.pairs
    pairs = np.sort(survey.pictures[np.stack([found.first, found.second])], axis=0)
    return np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)


def _check(splits: Sequence[str], survey: Survey) -> None:
    patients = Counter(filter(None, survey.patients))
    for split in SPLITS:
        if split in splits:
            continue
        if patients and (most := max(patients.values())) > len(splits) / 2:
            raise PipelineError(
                f"The {split} split is empty: {most:,} of {len(splits):,} images are of one "
                "patient, study or file, and such images stay together. If one id was put in the "
                "place of all, set ingest.dicom.patient_ids=ignore."
            )
        raise PipelineError(
            f"The {split} split is empty: {counted(len(splits), 'image')} cannot fill it, being "
            "too few or too much alike; add images."
        )
