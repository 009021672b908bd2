"""What was found in a folder, in figures: what the terminal, the page and `--json` all tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.ingest.counts import folder_counts, ranked
from components.ingest.evidence.table import Evidence
from components.ingest.inspection.matches import groups_of_several
from components.ingest.inspection.shortcuts import Shortcuts, find_shortcuts
from components.ingest.report import FolderCounts
from components.ingest.split_names import SPLITS
from components.pages.names import shown

if TYPE_CHECKING:
    from components.ingest.survey import Survey


class Findings(FolderCounts):
    """The figures of one folder.

    Attributes:
        folder: The folder's own name.
        images: All images.
        classes: Images by class.
        splits: Images by the split of the folder that they came in, and by class.
        formats: Images by file format.
        sizes: Images by `WIDTH x HEIGHT`, the most frequent first.
        groups: Groups of at least two images that show the same picture or patient.
        grouped: Images in those groups.
        shortcuts: Which trivial features predict the class.
        inner_classes: Folders inside the class folders that may be the classes; mostly empty.
    """

    folder: str
    images: int
    classes: dict[str, int]
    splits: dict[str, dict[str, int]]
    formats: dict[str, int]
    sizes: dict[str, int]
    groups: int
    grouped: int
    shortcuts: Shortcuts
    inner_classes: tuple[str, ...] = ()

    @staticmethod
    def of(survey: Survey, classes: Sequence[str], evidence: Evidence | None = None) -> Findings:
        """Counts what a survey found.

        Args:
            survey: What every file is.
            classes: The classes that were read, those without an image included.
            evidence: What their looks say.

        Returns:
            The figures.
        """
        records = survey.records
        groups = groups_of_several(survey)
        labels = Counter(record.label for record in records)
        by_split = Counter((record.folder_split, record.label) for record in records)
        came_in = {record.folder_split for record in records}
        return Findings(
            **folder_counts(survey, classes, shown),
            evidence=evidence or Evidence(),
            folder=shown(survey.folder.name),
            images=len(records),
            classes={shown(label): labels[label] for label in classes},
            splits={
                split: {shown(label): by_split[split, label] for label in classes}
                for split in SPLITS
                if split in came_in
            },
            formats=ranked(Counter(record.source_format for record in records)),
            sizes=ranked(Counter(f"{record.width} x {record.height}" for record in records)),
            groups=len(groups),
            grouped=sum(map(len, groups)),
            shortcuts=find_shortcuts(records, survey.grouping.groups[: len(records)]),
            inner_classes=tuple(map(shown, survey.folder.inner_classes)),
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
