"""What the figures of a folder mean, in sentences."""

from dataclasses import dataclass

from components.counted import counted
from components.ingest.evidence.table import told_words
from components.ingest.inspection.findings import Findings
from components.ingest.inspection.shortcuts import ALL_TOGETHER

_UNBALANCED = 3.0
"""How many times the largest class may be the smallest before it is mentioned."""
_FEW_GROUPS = "That takes two classes of five different images."
_REMEDIES = (
    (
        "A run resizes all images and crops them to the head, which removes size and border.",
        {"image size", "aspect ratio", "empty border"},
    ),
    (
        "Try transform.levels=head, which spreads the levels of every head alike.",
        {"mean grey level"},
    ),
    ("A run makes RGB of all images alike.", {"colour channels"}),
    ("Export all classes in one format: compression leaves traces.", {"file format"}),
)
"""What to do about a trivial feature, by feature."""
_NAMED = 8
_MORE = 2
"""Sentences about looks beside the first; the table has all."""


@dataclass(frozen=True)
class FolderVerdict:
    """One thing to know before the images are used.

    Attributes:
        good: Whether there is nothing to do.
        title: The finding, as a sentence without its full stop.
        advice: What it means or what to do.
    """

    good: bool
    title: str
    advice: str


def judge(findings: Findings) -> tuple[FolderVerdict, ...]:
    """Puts the figures into sentences.

    Args:
        findings: The figures.

    Returns:
        One verdict for each question, in a fixed order.
    """
    of_images = (_outside, _leak, _conflicts, _shortcuts, _source, _balance)
    nested = (_nested,) if findings.inner_classes else ()
    asked = (_files, *nested, *(of_images if findings.images else ()))
    return tuple(one(findings) for one in asked)


def _files(findings: Findings) -> FolderVerdict:
    if not findings.rejected:
        every = "All " if findings.found > 1 else ""
        return FolderVerdict(True, f"{every}{counted(findings.found, 'file')} can be used", "")
    return FolderVerdict(
        False,
        f"{findings.rejected:,} of {findings.found:,} files cannot be used",
        "A run leaves them out and lists them with their reasons.",
    )


def _nested(findings: Findings) -> FolderVerdict:
    inner = findings.inner_classes
    named = ", ".join(inner[:_NAMED]) + (", ..." if len(inner) > _NAMED else "")
    return FolderVerdict(
        False,
        f"The classes may be the folders {named} inside the class folders",
        f"If they are, name them: --classes {','.join(inner[:_NAMED])}. A run takes them as "
        "ingest.classes. If the folders around them are patients, a table of labels says so.",
    )


def _outside(findings: Findings) -> FolderVerdict:
    if not findings.blackened:
        title = "Nothing can be seen outside the heads"
    else:
        title = (
            f"Something can be seen outside the head in {findings.blackened:,} of "
            f"{findings.images:,} images"
        )
    advice = []
    if findings.blackened:
        advice.append(
            "A run makes it black, so that names, dates and borders are neither kept nor learnt."
        )
    if findings.burnt_in:
        files = "file says" if findings.burnt_in == 1 else "files say"
        advice.append(
            f"{findings.burnt_in:,} DICOM {files} that text is burnt in: text that lies over the "
            "head stays."
        )
    return FolderVerdict(not findings.burnt_in, title, " ".join(advice))


def _leak(findings: Findings) -> FolderVerdict:
    if findings.why_no_test:
        return FolderVerdict(
            True, "Nothing can match across the split", "The folder has no test images of its own."
        )
    if not findings.near_cross_split:
        return FolderVerdict(True, "No test image has a match in the training folder", "")
    share = findings.near_cross_split / findings.test_images
    return FolderVerdict(
        False,
        f"{findings.near_cross_split:,} of {findings.test_images:,} test images ({share:.1%}) show "
        "a picture that is also in the training folder",
        (
            f"{findings.exact_cross_split:,} of them pixel for pixel. "
            if findings.exact_cross_split
            else ""
        )
        + "A model would be measured on images that it has memorised: keep the split policy "
        "leak_free, which sets those training images aside.",
    )


def _conflicts(findings: Findings) -> FolderVerdict:
    if not findings.label_conflicts:
        return FolderVerdict(True, "No picture carries two labels", "")
    groups = counted(findings.label_conflicts, "group")
    return FolderVerdict(
        False,
        f"{groups} of matching images {'carries' if groups == '1 group' else 'carry'} different "
        "labels",
        "Either a label is wrong, or two different images look alike: check them.",
    )


def _shortcuts(findings: Findings) -> FolderVerdict:
    shortcuts = findings.shortcuts
    if not shortcuts.tested:
        return FolderVerdict(True, "Shortcuts were not tested", _FEW_GROUPS)
    if not shortcuts.worrying:
        return FolderVerdict(True, "No trivial feature predicts the class", "")
    told = ", ".join(
        f"{shortcut.feature} {shortcut.balanced_accuracy:.0%}" for shortcut in shortcuts.worrying
    )
    return FolderVerdict(
        False,
        "The class can be told without looking at the brain",
        f"Share of a class that is found by one feature alone, on average: {told}; by chance "
        f"{shortcuts.chance:.0%}. {_against({one.feature for one in shortcuts.worrying})}",
    )


def _against(features: set[str]) -> str:
    """What to do about features that tell the class, without a word about others."""
    advice = [words for words, about in _REMEDIES if about & features]
    others = features.difference({ALL_TOGETHER}, *(about for _, about in _REMEDIES))
    if others or not advice:
        advice.append("Compare a model's figures by such features.")
    return " ".join(advice)


def _source(findings: Findings) -> FolderVerdict:
    evidence = findings.evidence
    telling, gaps = evidence.telling(), evidence.gaps()
    if not telling and not gaps:
        tested = bool(evidence.told)
        title = (
            "The head's levels alone do not tell the class" if tested else "Looks were not tested"
        )
        return FolderVerdict(True, title, "" if tested else _FEW_GROUPS)
    said = [told_words(label, one) for label, one in telling.items()]
    first, *more = [*said, *(gap.rstrip(".") for gap in gaps)]
    return FolderVerdict(
        False,
        first,
        " ".join(f"{one}." for one in more[:_MORE])
        + " A model may learn where an image came from, and no figure on this folder's own test "
        "images shows it.",
    )


def _balance(findings: Findings) -> FolderVerdict:
    counts = findings.classes
    largest, smallest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if not counts[smallest]:
        return FolderVerdict(
            False, f"Class {smallest} has no usable image", "Add images or leave it out."
        )
    times = counts[largest] / counts[smallest]
    if times < _UNBALANCED:
        return FolderVerdict(True, "The classes are of similar size", "")
    return FolderVerdict(
        False,
        f"Class {largest} has {times:.1f} times the images of class {smallest}",
        "Read figures class by class: overall accuracy favours the large one.",
    )
