"""What was found in a folder, in figures: what the terminal, the page and `--json` all tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from components.ingest.inspection.matches import groups_of_several, label_conflicts
from components.ingest.inspection.shortcuts import Shortcuts, find_shortcuts
from components.pages.names import shown

if TYPE_CHECKING:
    from components.ingest.survey import Survey

SPLITS = ("train", "eval", "test")


@dataclass(frozen=True)
class Findings:
    """The figures of one folder.

    Files are counted in `found`, `ingested`, `rejected` and `reasons`; everything else counts
    images, of which a DICOM or NIfTI file may hold several.

    Attributes:
        folder: The folder's own name.
        found: Files in class folders.
        ingested: Files of which at least one image could be used.
        rejected: Files of which none could; `found` is the sum of both.
        passed_over: Files and folders that systems left behind; they are not in `found`.
        unnamed: Files that the table of labels does not name; they are not in `found` either.
        reasons: Rejected files by reason, the most frequent first.
        images: All images.
        classes: Images by class.
        splits: Images by the split of the folder that they came in, and by class.
        formats: Images by file format.
        sizes: Images by `WIDTH x HEIGHT`, the most frequent first.
        groups: Groups of at least two images that show the same picture or patient.
        grouped: Images in those groups.
        largest_group: Images in the largest.
        exact_cross_split: Test images whose pixels are those of a training image.
        near_cross_split: Test images with any match in the training folder, exact or near.
        seen: `near_cross_split` by class.
        label_conflicts: Groups whose images carry different labels.
        shortcuts: Which trivial features predict the class.
    """

    folder: str
    found: int
    ingested: int
    rejected: int
    passed_over: int
    unnamed: int
    reasons: dict[str, int]
    images: int
    classes: dict[str, int]
    splits: dict[str, dict[str, int]]
    formats: dict[str, int]
    sizes: dict[str, int]
    groups: int
    grouped: int
    largest_group: int
    exact_cross_split: int
    near_cross_split: int
    seen: dict[str, int]
    label_conflicts: int
    shortcuts: Shortcuts

    @staticmethod
    def of(survey: Survey, classes: Sequence[str]) -> Findings:
        """Counts what a survey found.

        Args:
            survey: What every file is.
            classes: The classes that were read, those without an image included.

        Returns:
            The figures.
        """
        records = survey.records
        ingested = len({record.name for record in records})
        groups = groups_of_several(survey)
        own_groups = survey.grouping.groups[: len(records)]
        splits: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        for record in records:
            splits[record.folder_split][record.label] += 1
        labels = Counter(record.label for record in records)
        seen = Counter(
            record.label for record, flag in zip(records, survey.seen, strict=True) if flag
        )
        return Findings(
            folder=shown(survey.folder.name),
            found=ingested + len(survey.rejections),
            ingested=ingested,
            rejected=len(survey.rejections),
            passed_over=survey.folder.passed_over,
            unnamed=survey.folder.unnamed,
            reasons=_ranked(Counter(shown(rejection.reason) for rejection in survey.rejections)),
            images=len(records),
            classes={shown(label): labels[label] for label in classes},
            splits={
                split: {shown(label): counts[label] for label in classes}
                for split, counts in splits.items()
                if counts
            },
            formats=_ranked(Counter(record.source_format for record in records)),
            sizes=_ranked(Counter(f"{record.width} x {record.height}" for record in records)),
            groups=len(groups),
            grouped=sum(map(len, groups)),
            largest_group=max(map(len, groups), default=1 if records else 0),
            exact_cross_split=sum(survey.seen_exactly),
            near_cross_split=sum(survey.seen),
            seen={shown(label): seen[label] for label in classes},
            label_conflicts=len(label_conflicts(records, groups)),
            shortcuts=find_shortcuts(records, own_groups),
        )

    @property
    def test_images(self) -> int:
        """Images in the test folder."""
        return sum(self.splits.get("test", {}).values())

    @property
    def why_no_test(self) -> str:
        """Why there can be no match across the split; empty if there can."""
        if self.test_images:
            return ""
        return "The folder has no test images of its own, so nothing can match across the split."

    def as_json(self) -> dict[str, Any]:
        """The figures as plain values, ready for JSON."""
        return asdict(self)


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
