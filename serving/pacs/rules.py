"""Which series of a study are read, and why the others are not."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imaging.dicom.elements import value, words
from serving.pacs.config import RuleConfig
from serving.pacs.headers import ImageHeader

_OPPOSITE = {"original": "DERIVED", "derived": "ORIGINAL"}


@dataclass(frozen=True)
class Choice:
    """What was decided about a series.

    Attributes:
        uid: Its SeriesInstanceUID.
        taken: Whether it is read.
        reason: Why, or why not; nothing that a person typed into the images is in it.
        headers: Its images in the order of their places.
    """

    uid: str
    taken: bool
    reason: str
    headers: tuple[ImageHeader, ...]


def choose(headers: Iterable[ImageHeader], rules: Sequence[RuleConfig]) -> list[Choice]:
    """Decides about all series of a study, in the order of their UIDs.

    Args:
        headers: The study's images.
        rules: A series that fits one of them is taken.
    """
    by_series: dict[str, list[ImageHeader]] = defaultdict(list)
    for header in headers:
        by_series[header.series].append(header)
    return [_choice(uid, by_series[uid], rules) for uid in sorted(by_series)]


def _choice(uid: str, headers: list[ImageHeader], rules: Sequence[RuleConfig]) -> Choice:
    ordered = tuple(sorted(headers, key=lambda one: (one.along, one.instance)))
    against = []
    for rule in rules:
        reason = next(_misfits(ordered, rule), None)
        if reason is None:
            return Choice(uid, True, f"fits the rule {rule.name!r}", ordered)
        against.append(f"rule {rule.name!r}: {reason}")
    return Choice(uid, False, "; ".join(against), ordered)


def _misfits(headers: Sequence[ImageHeader], rule: RuleConfig) -> Iterator[str]:
    """Why a series does not fit a rule."""
    first = headers[0]
    if rule.modality not in words(value(first.dataset, "Modality")):
        yield f"its modality is not {rule.modality}"
    types = {word for one in headers for word in one.image_type}
    if "LOCALIZER" in types and not rule.localizer:
        yield "it is a localizer"
    if rule.origin != "any" and (_OPPOSITE[rule.origin] in types or not types):
        yield f"its images are not {rule.origin}"
    slices = sum(one.frames for one in headers)
    if not rule.least_slices <= slices <= rule.most_slices:
        yield f"it has {slices:,} slices, not {rule.least_slices:,} to {rule.most_slices:,}"
    if len({one.size for one in headers}) > 1:
        yield "its images are of different sizes"
    planes = {one.plane for one in headers}
    if rule.planes and None in planes:
        yield "it does not say how its slices lie"
    elif rule.planes and len(planes) > 1:
        yield "its slices lie in different planes"
    elif rule.planes and not planes <= set(rule.planes):
        yield f"its plane is not {' or '.join(rule.planes)}"
    agent = any(value(one.dataset, "ContrastBolusAgent") for one in headers)
    if rule.contrast != "any" and agent != (rule.contrast == "with"):
        yield f"it was not taken {rule.contrast} contrast agent"
    yield from _by_description(str(value(first.dataset, "SeriesDescription") or ""), rule)


def _by_description(description: str, rule: RuleConfig) -> Iterator[str]:
    if rule.description and not re.search(rule.description, description, re.IGNORECASE):
        yield "its description lacks what the rule demands"
    if rule.not_description and re.search(rule.not_description, description, re.IGNORECASE):
        yield "its description holds what the rule excludes"
