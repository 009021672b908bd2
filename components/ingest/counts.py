"""Counts what a survey found, for ingest's report and for an inspection's findings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.ingest.survey import Survey


def folder_counts(
    survey: Survey, classes: Sequence[str], shown: Callable[[str], str] = str
) -> dict[str, Any]:
    """Counts what a survey found.

    Args:
        survey: What every file is.
        classes: The classes that were read, those without an image included.
        shown: How names of classes and reasons are written.

    Returns:
        The values of the attributes of `components.ingest.report.FolderCounts`.
    """
    files = len({record.name for record in survey.records})
    groups = defaultdict(list)
    for record, group in zip(survey.records, survey.grouping.groups, strict=False):
        groups[group].append(record.label)
    flagged = zip(survey.records, survey.seen, strict=True)
    seen = Counter(record.label for record, is_seen in flagged if is_seen)
    return {
        "found": files + len(survey.rejections),
        "ingested": files,
        "rejected": len(survey.rejections),
        "passed_over": survey.folder.passed_over,
        "unnamed": survey.folder.unnamed,
        "reasons": ranked(Counter(shown(one.reason) for one in survey.rejections)),
        "largest_group": max(map(len, groups.values()), default=0),
        "exact_cross_split": sum(survey.seen_exactly),
        "near_cross_split": sum(survey.seen),
        "seen": {shown(label): seen[label] for label in classes},
        "label_conflicts": sum(len(set(labels)) > 1 for labels in groups.values()),
        "blackened": sum(record.blackened for record in survey.records),
        "burnt_in": len({record.name for record in survey.records if record.burnt_in}),
    }


def ranked(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts in order: the largest first, equal ones by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
