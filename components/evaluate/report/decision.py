"""What a reviewer decides from: each change against the last blessed model, and what it is worth.

A threshold may be less than one image, and the interval of a change far wider than a threshold. So
every change is read twice: whether it is beyond its limit, which is what the Evaluator goes by, and
whether the test images can tell it from the limit at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from components.evaluate.config import EvaluateConfig
from components.evaluate.report.figures import TITLES, Figure, Figures
from components.pages.numbers import fraction, signed

Tone = Literal["good", "quiet", "warn", "bad"]

_TEST = "test"
_ROUNDING = 1e-9
_SAME = 5e-4
"""Calibration errors that differ by less are shown as the same number."""
_CHANGED = {
    "swapped_accuracy": "Accuracy in another class’s style",
    "shifted_accuracy": "Accuracy on shifted images",
}


@dataclass(frozen=True)
class ReadChange:
    """A figure of this model minus that of the last blessed one, on the same images.

    Attributes:
        title: The figure.
        difference: This model minus the other.
        limit: How much worse it may be; None if nothing is demanded.
        own: This model's figure; None where it is not known here.
        other: The other's.
        reading: What the difference and its interval say together.
        tone: How grave that is.
    """

    title: str
    difference: Figure
    limit: float | None
    own: float | None
    other: float | None
    reading: str
    tone: Tone

    @property
    def images_allowed(self) -> float | None:
        """How many of the images the limit is worth."""
        return None if self.limit is None else self.limit * self.difference.images


def changes(figures: Figures, config: EvaluateConfig) -> tuple[ReadChange, ...]:
    """Reads every difference from the last blessed model.

    Args:
        figures: Of this model, with the comparison.
        config: How much worse it may be.

    Returns:
        One change per figure; none without a comparison.
    """
    limits = {
        "accuracy": config.max_accuracy_drop,
        "tumour_sensitivity": config.max_tumour_sensitivity_drop,
        "swapped_accuracy": config.max_swapped_accuracy_drop,
        "shifted_accuracy": config.max_shifted_accuracy_drop,
    }
    found = []
    if comparison := figures.comparison:
        for name, difference in comparison.differences.items():
            own, other = comparison.own.get(name), comparison.other[name]
            found.append(_change(TITLES[name], difference, limits.get(name), own, other))
    if _TEST in figures.robustness:
        for name, difference in figures.robustness[_TEST].differences.items():
            found.append(_change(_CHANGED[name], difference, limits.get(name), None, None))
    return tuple(found)


def reach(found: Iterable[ReadChange]) -> float:
    """The largest difference that a drawing of all changes has to show, above 0."""
    ends = (
        abs(end)
        for one in found
        for end in (one.difference.value, one.difference.low, one.difference.high, one.limit)
        if end is not None
    )
    return 1.1 * max(ends, default=0.0) or 1.0


@dataclass(frozen=True)
class CalibrationReading:
    """What calibration did to the confidence, in words, and whether it made it worse."""

    words: str
    is_worse: bool = False


def read_calibration(figures: Figures) -> CalibrationReading | None:
    """Says what calibration did to the confidence on the test images; None if that is not known."""
    after, before = (figures.headline.get(name) for name in ("ece", "ece_uncalibrated"))
    if after is None or before is None or after.value is None or before.value is None:
        return None
    said = f"the calibration error is {fraction(after.value)} ({fraction(before.value)} before)"
    if abs(after.value - before.value) < _SAME:
        return CalibrationReading(f"Calibration changed nothing on the test images: {said}.")
    if after.value > before.value:
        return CalibrationReading(
            f"Calibration made the error larger on the test images: {said}.", True
        )
    return CalibrationReading(f"Calibration reduced the error on the test images: {said}.")


def _change(
    title: str, difference: Figure, limit: float | None, own: float | None, other: float | None
) -> ReadChange:
    reading, tone = _read(difference, limit)
    return ReadChange(title, difference, limit, own, other, reading, tone)


def _read(difference: Figure, limit: float | None) -> tuple[str, Tone]:
    value, low, high = difference.value, difference.low, difference.high
    if value is None:
        return f"Not computable: {difference.missing}.", "warn"
    if limit is None:
        return _read_without_limit(low, high)
    allowed = -limit
    # Against rounding, as the Evaluator has it.
    if value < allowed - _ROUNDING:
        if low is None or high is None or high < allowed:
            return "Beyond the limit.", "bad"
        return (
            f"Beyond the limit, but within the noise: the interval reaches {signed(high)}. It is "
            "refused anyway; more test images would decide.",
            "bad",
        )
    if low is not None and low < allowed:
        return f"Within the limit; a drop of {fraction(-low)} cannot be ruled out.", "warn"
    if low is not None and low > 0:
        return "Better, by more than the noise.", "good"
    return "Within the limit, with its whole interval.", "good"


def _read_without_limit(low: float | None, high: float | None) -> tuple[str, Tone]:
    if low is not None and low > 0:
        return "Better, by more than the noise.", "good"
    if high is not None and high < 0:
        return "Worse, by more than the noise.", "warn"
    return "No difference that these images can show.", "quiet"
