"""What the counts of an ingestion say about its data: one function a rule."""

from collections.abc import Iterator, Sequence

from components.counted import counted
from components.gate.config import GateConfig
from components.gate.verdict import Finding
from components.ingest.evidence.table import told_words
from components.ingest.report import IngestReport
from components.ingest.split_names import SPLITS
from components.pages.names import shown

_TRAINING = ("train", "eval", "excluded")
"""What becomes of training images."""
_GAPS = 3
"""Looks that a finding names, the gravest; the page shows all."""


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
    return [
        *rejected_files(report, config),
        *empty_split(report, config),
        *missing_class(report, config),
        *class_imbalance(report, config),
        *excluded_images(report, config),
        *leak(report, config),
        *label_conflicts(report, config),
        *source(report, config),
        *(shrunk(report, previous, config) if previous else ()),
    ]


def rejected_files(report: IngestReport, config: GateConfig) -> Iterator[Finding]:
    """Too many files that cannot be used."""
    share = report.rejected / max(report.found, 1)
    if share > config.max_rejected_share:
        yield config.finding(
            "rejected_files",
            found=f"{report.rejected:,} of {report.found:,} files ({share:.1%}) cannot be used.",
            expected=f"At most {config.max_rejected_share:.1%}.",
            action="Repair or remove the files. Ingest's rejected.csv lists each with its reason; "
            "the page says where it is.",
            figures={"rejected": report.rejected, "found": report.found, "share": share},
        )


def empty_split(report: IngestReport, config: GateConfig) -> Iterator[Finding]:
    """A split without images."""
    if empty := [split for split in SPLITS if not report.count(split)]:
        yield config.finding(
            "empty_split",
            found=f"There are no images in {_either(empty)}.",
            expected="Images in train, eval and test.",
            action="Add images, or change ingest.eval_share or ingest.test_share.",
            figures={split: report.count(split) for split in SPLITS},
        )


def missing_class(report: IngestReport, config: GateConfig) -> Iterator[Finding]:
    """A class without images in a split that has others."""
    missing = {
        split: names
        for split in SPLITS
        if report.count(split)
        and (names := [name for name in report.classes if not _images(report, split, name)])
    }
    if missing:
        yield config.finding(
            "missing_class",
            # Without it, a class can neither be learned nor be judged; eval only chooses when to
            # stop.
            default="warn" if set(missing) == {"eval"} else "stop",
            found=" ".join(
                f"{split} has no image of {_either(names)}." for split, names in missing.items()
            ),
            expected="Images of every class in every split.",
            action="Add images of the class, or take it out of ingest.classes.",
            figures={
                f"{split}/{name}": _images(report, split, name)
                for split in missing
                for name in report.classes
            },
        )


def class_imbalance(report: IngestReport, config: GateConfig) -> Iterator[Finding]:
    """A class with many times the training images of another."""
    images = {name: _images(report, "train", name) for name in report.classes}
    ranked = sorted((name for name in images if images[name]), key=images.__getitem__)
    if ranked and (ratio := images[ranked[-1]] / images[ranked[0]]) > config.max_imbalance:
        smallest, largest = shown(ranked[0]), shown(ranked[-1])
        yield config.finding(
            "class_imbalance",
            found=f"{largest} has {images[ranked[-1]]:,} training images, {ratio:.1f} times the "
            f"{images[ranked[0]]:,} of {smallest}.",
            expected=f"At most {config.max_imbalance:g} times as many.",
            action=f"Add images of {smallest}.",
            figures={**images, "ratio": ratio},
        )


def excluded_images(report: IngestReport, config: GateConfig) -> Iterator[Finding]:
    """A large part of the training images set aside because they match test images."""
    most = config.max_excluded_share
    shares = {
        name: excluded / sum(_images(report, split, name) for split in _TRAINING)
        for name in report.classes
        if (excluded := _images(report, "excluded", name))
    }
    excluded, of = report.count("excluded"), sum(map(report.count, _TRAINING))
    over = [f", {share:.0%} of {shown(name)}" for name, share in shares.items() if share > most]
    if over or excluded > most * of:
        yield config.finding(
            "excluded_images",
            found=f"{excluded:,} of {of:,} training images ({excluded / of:.1%}) match test images "
            f"and are set aside{''.join(over)}.",
            expected=f"At most {most:.0%} of all and of each class.",
            action="Add training images of other patients, or make a new split with "
            "ingest.split_policy=group.",
            figures={"excluded": excluded, "training": of, **shares},
        )


def leak(report: IngestReport, config: GateConfig) -> Iterator[Finding]:
    """Images that match, in two splits."""
    # Whoever asks for splits as they are has chosen the leak.
    chosen = report.policy == "as_is"
    if report.remaining_cross_split or (chosen and report.near_cross_split):
        test = report.count("test")
        seen = report.near_cross_split / max(test, 1)
        yield config.finding(
            "leak",
            default="warn" if chosen else "stop",
            found=f"{report.remaining_cross_split:,} pairs of matching images are in two different "
            f"splits; {report.near_cross_split:,} of {test:,} test images ({seen:.1%}) have a "
            "match in the original training folder.",
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


def label_conflicts(report: IngestReport, config: GateConfig) -> Iterator[Finding]:
    """Matching images with different labels."""
    if report.label_conflicts:
        yield config.finding(
            "label_conflicts",
            found=f"{counted(report.label_conflicts, 'matching group')} with different labels.",
            expected="One label per group.",
            action="Look at them with mri data inspect, and correct the labels.",
            figures={"groups": report.label_conflicts},
        )


def source(report: IngestReport, config: GateConfig) -> Iterator[Finding]:
    """Classes that the look of an image tells: a model may learn where images came from."""
    evidence = report.evidence
    told, gaps = evidence.telling(config.max_levels_auc), evidence.gaps()
    if told or gaps:
        words = [f"{told_words(label, one)}." for label, one in told.items()]
        more = len(gaps) - _GAPS
        rest = [
            f"{more:,} more looks lack a class." if more > 1 else "One more look lacks a class."
        ]
        yield config.finding(
            "source",
            found=" ".join([*words, *gaps[:_GAPS], *(rest if more > 0 else [])]),
            expected=f"An area of at most {config.max_levels_auc:g} by levels that a tumour hardly "
            "changes, and every class in every look that has room for it.",
            action="Add images of the classes that a look lacks, from the same scanners, sequences "
            "and windows. No figure on this folder's own test images shows whether a model finds "
            "the disease or the source.",
            figures={
                "looks": len(evidence.looks),
                "gaps": len(gaps),
                **{f"auc/{label}": one.steady for label, one in evidence.told.items()},
            },
        )


def shrunk(report: IngestReport, previous: IngestReport, config: GateConfig) -> Iterator[Finding]:
    """Far fewer images than in the previous data of the same source."""
    now, before = total_images(report), total_images(previous)
    if report.source == previous.source and now < config.min_previous_share * before:
        yield config.finding(
            "shrunk",
            found=f"The data holds {counted(now, 'image')}, {now / before:.0%} of the {before:,} "
            "before.",
            expected=f"At least {config.min_previous_share:g} times as many.",
            action="Make sure that the data is complete.",
            figures={"images": now, "previous": before},
        )


def _images(report: IngestReport, split: str, name: str) -> int:
    return report.images.get(split, {}).get(name, 0)


def total_images(report: IngestReport) -> int:
    """How many images there are in all splits."""
    return sum(report.count(split) for split in SPLITS)


def _either(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(map(shown, first))} or {shown(last)}" if first else shown(last)
