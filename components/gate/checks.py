"""What the counts of an ingestion say about its data: one function a rule."""

from collections.abc import Sequence

from components.gate.config import GateConfig
from components.gate.rules import Severity
from components.gate.verdict import Finding
from components.ingest.report import IngestReport
from components.pages.names import shown

_SPLITS = ("train", "eval", "test")


def check_report(
    report: IngestReport, previous: IngestReport | None, config: GateConfig
) -> list[Finding]:
    """Applies every rule that needs nothing but counts.

    Args:
        report: What ingest found.
        previous: What it found in the last data that passed, if any did.
        config: Limits and severities.

    Returns:
        What is out of the ordinary.
    """
    findings = (
        rejected_files(report, config),
        empty_split(report, config),
        missing_class(report, config),
        class_imbalance(report, config),
        excluded_images(report, config),
        leak(report, config),
        label_conflicts(report, config),
        shrunk(report, previous, config) if previous else None,
    )
    return [finding for finding in findings if finding]


def rejected_files(report: IngestReport, config: GateConfig) -> Finding | None:
    """Too many files that cannot be used."""
    share = report.rejected / max(report.found, 1)
    if share <= config.max_rejected_share:
        return None
    return Finding(
        name="rejected_files",
        severity=config.severity_of("rejected_files"),
        found=f"{report.rejected:,} of {report.found:,} files ({share:.1%}) cannot be used.",
        expected=f"At most {config.max_rejected_share:.1%}.",
        action="Mend or remove the files that ingest's rejected.csv names, with their reasons.",
        figures={"rejected": report.rejected, "found": report.found, "share": share},
    )


def empty_split(report: IngestReport, config: GateConfig) -> Finding | None:
    """A split without images."""
    empty = [split for split in _SPLITS if not report.count(split)]
    if not empty:
        return None
    return Finding(
        name="empty_split",
        severity=config.severity_of("empty_split"),
        found=f"There are no images in {_either(empty)}.",
        expected="Images in train, eval and test.",
        action="Add images, or change ingest.eval_share or ingest.test_share.",
        figures={split: report.count(split) for split in _SPLITS},
    )


def missing_class(report: IngestReport, config: GateConfig) -> Finding | None:
    """A class without images in a split that has others."""
    missing = {
        split: [name for name in report.classes if not _images(report, split, name)]
        for split in _SPLITS
        if report.count(split)
    }
    missing = {split: names for split, names in missing.items() if names}
    if not missing:
        return None
    # Without it, a class can neither be learned nor be judged; eval only chooses when to stop.
    default: Severity = "warn" if set(missing) == {"eval"} else "stop"
    return Finding(
        name="missing_class",
        severity=config.severity_of("missing_class", default),
        found=" ".join(f"{split} has no image of {_either(missing[split])}." for split in missing),
        expected="Images of every class in every split.",
        action="Add images of the class, or take it out of ingest.classes.",
        figures={
            f"{split}/{name}": _images(report, split, name)
            for split in missing
            for name in report.classes
        },
    )


def class_imbalance(report: IngestReport, config: GateConfig) -> Finding | None:
    """A class with many times the training images of another."""
    images = {name: _images(report, "train", name) for name in report.classes}
    present = {name: count for name, count in images.items() if count}
    if not present:
        return None
    largest, smallest = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
    ratio = present[largest] / present[smallest]
    if ratio <= config.max_imbalance:
        return None
    return Finding(
        name="class_imbalance",
        severity=config.severity_of("class_imbalance"),
        found=f"{shown(largest)} has {present[largest]:,} training images, {ratio:.1f} times the "
        f"{present[smallest]:,} of {shown(smallest)}.",
        expected=f"At most {config.max_imbalance:g} times as many.",
        action=f"Add images of {shown(smallest)}.",
        figures={**images, "ratio": ratio},
    )


def excluded_images(report: IngestReport, config: GateConfig) -> Finding | None:
    """A large part of the training images set aside because they match test images."""
    shares = {
        name: excluded / of
        for name in report.classes
        if (excluded := _images(report, "excluded", name))
        and (of := sum(_images(report, split, name) for split in ("train", "eval", "excluded")))
    }
    excluded = report.count("excluded")
    of = report.count("train") + report.count("eval") + excluded
    over = {name: share for name, share in shares.items() if share > config.max_excluded_share}
    if not over and excluded <= config.max_excluded_share * of:
        return None
    by_class = ", ".join(f"{share:.0%} of {shown(name)}" for name, share in over.items())
    return Finding(
        name="excluded_images",
        severity=config.severity_of("excluded_images"),
        found=f"{excluded:,} of {of:,} training images ({excluded / of:.1%}) match test images and "
        f"are set aside{f', {by_class}' if by_class else ''}.",
        expected=f"At most {config.max_excluded_share:.0%} of all and of each class.",
        action="Add training images of other patients, or split anew with "
        "ingest.split_policy=group.",
        figures={"excluded": excluded, "training": of, **shares},
    )


def leak(report: IngestReport, config: GateConfig) -> Finding | None:
    """Images that match, in two splits."""
    leaks = report.remaining_cross_split or (report.policy == "as_is" and report.near_cross_split)
    if not leaks:
        return None
    test = report.count("test")
    seen = report.near_cross_split / max(test, 1)
    # Whoever asks for splits as they are has chosen the leak.
    default: Severity = "warn" if report.policy == "as_is" else "stop"
    return Finding(
        name="leak",
        severity=config.severity_of("leak", default),
        found=f"{report.remaining_cross_split:,} pairs of matching images stand in two splits; "
        f"{report.near_cross_split:,} of {test:,} test images ({seen:.1%}) have a match in the "
        "original training folder.",
        expected="No such pair: figures on test images that were trained on are inflated.",
        action="Set ingest.split_policy to leak_free or group, and look at ingest.split_file.",
        figures={
            "pairs": report.remaining_cross_split,
            "exact": report.exact_cross_split,
            "seen": report.near_cross_split,
            "test": test,
            "seen_share": seen,
        },
    )


def label_conflicts(report: IngestReport, config: GateConfig) -> Finding | None:
    """Matching images with different labels."""
    if not report.label_conflicts:
        return None
    return Finding(
        name="label_conflicts",
        severity=config.severity_of("label_conflicts"),
        found=f"{report.label_conflicts:,} groups of matching images carry different labels.",
        expected="One label a group.",
        action="Look at them with mri data inspect, and correct the labels.",
        figures={"groups": report.label_conflicts},
    )


def shrunk(report: IngestReport, previous: IngestReport, config: GateConfig) -> Finding | None:
    """Far fewer images than in the previous data of the same source."""
    now, before = total_images(report), total_images(previous)
    if report.source != previous.source or now >= config.min_previous_share * before:
        return None
    return Finding(
        name="shrunk",
        severity=config.severity_of("shrunk"),
        found=f"There are {now:,} images, {now / before:.0%} of the {before:,} before.",
        expected=f"At least {config.min_previous_share:.0%} of as many.",
        action="Make sure that the data are complete.",
        figures={"images": now, "previous": before},
    )


def _images(report: IngestReport, split: str, name: str) -> int:
    return report.images.get(split, {}).get(name, 0)


def total_images(report: IngestReport) -> int:
    """How many images there are in all splits."""
    return sum(report.count(split) for split in _SPLITS)


def _either(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(map(shown, first))} or {shown(last)}" if first else shown(last)
