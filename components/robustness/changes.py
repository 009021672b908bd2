"""All changes that are made to an image, and what a person calls them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from components.robustness import shifts, styles
from components.robustness.subject import Grey, Subject
from imaging.picture import Levels

Kind = Literal["unchanged", "style", "remains", "shift"]
"""`style`: another class's; `remains`: what is left without anatomy; `shift`: all others."""


@dataclass(frozen=True)
class Change:
    """One change at one strength.

    Attributes:
        name: What tables call it.
        strength: 1 for the slightest.
        kind: What it asks.
        words: What a page calls it.
        of: Makes it.
    """

    name: str
    strength: int
    kind: Kind
    words: str
    of: Callable[[Subject], Grey | None]

    @property
    def key(self) -> tuple[str, int]:
        """Name and strength."""
        return self.name, self.strength

    def apply(self, subject: Subject) -> Levels | None:
        """Changes an image.

        Args:
            subject: The image.

        Returns:
            uint8 [height, width]; None if nothing is left to see, or no image gives a style.
        """
        levels = self.of(subject)
        if levels is None or not levels.size:
            return None
        pixels: Levels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return None if pixels.min() == pixels.max() else pixels


def _kind(
    kind: Kind,
    name: str,
    words: str,
    function: Callable[..., Grey],
    *strengths: tuple[float, ...],
) -> Iterator[Change]:
    for number, values in enumerate(strengths, start=1):
        yield Change(name, number, kind, words.format(*values), _with(function, values))


def _with(
    function: Callable[..., Grey], values: tuple[float, ...]
) -> Callable[[Subject], Grey | None]:
    return lambda subject: function(subject, *values)


def _from_style(function: Callable[[Subject, Subject], Grey], subject: Subject) -> Grey | None:
    return None if subject.style is None else function(subject, subject.style)


def _itself(subject: Subject) -> Grey:
    return subject.grey


_shift = partial(_kind, "shift")
_THIRDS = 1 / 6, 1 / 3, 1 / 2
_BRIGHT = 0.05, 0.15, 0.3
CHANGES: tuple[Change, ...] = (
    Change("unchanged", 1, "unchanged", "as it is, in grey", _itself),
    Change(
        "matched levels", 1, "style", "the head’s levels as in an image of another class",
        partial(_from_style, styles.matched_levels),
    ),
    Change(
        "exchanged amplitude", 1, "style",
        "low frequencies as in an image of another class",
        partial(_from_style, styles.exchanged_amplitude),
    ),
    Change("blanked", 1, "remains", "the head blanked: outline and frame", styles.blanked),
    Change("histogram", 1, "remains", "the head’s histogram alone", styles.histogram_alone),
    Change("patches", 1, "remains", "patches of 1 cm shuffled", styles.shuffled_patches),
    *_shift(
        "dark cut", "darkest {0:.0%} of the head’s levels cut to black", shifts.cut_levels,
        *((dark, 0.0) for dark in _THIRDS),
    ),
    *_shift(
        "bright cut", "brightest {1:.0%} of the head’s levels cut to white", shifts.cut_levels,
        *((0.0, bright) for bright in _BRIGHT),
    ),
    *_shift(
        "both cut", "darkest {0:.0%} and brightest {1:.0%} cut", shifts.cut_levels,
        *zip(_THIRDS, _BRIGHT, strict=True),
    ),
    *_shift("darker", "gamma {0:g}", shifts.gamma, (1.5,), (2.0,), (3.0,)),
    *_shift("brighter", "gamma {0:g}", shifts.gamma, (0.7,), (0.5,), (0.33,)),
    *_shift("low contrast", "{0:.0%} of the contrast", shifts.low_contrast, (0.7,), (0.5,), (0.3,)),
    *_shift("inverted", "inverted, {0:.0%} of the contrast", shifts.inverted, (0.6,), (1.0,)),
    Change("inverted", 3, "shift", "inverted with its ground", shifts.inverted_with_ground),
    *_shift(
        "black border", "black border of {0:.0%}", shifts.border,
        (0.2, 0.0), (0.4, 0.0), (0.8, 0.0),
    ),
    *_shift(
        "white border", "white border of {0:.0%}", shifts.border,
        (0.1, 255.0), (0.2, 255.0), (0.4, 255.0),
    ),
    *_shift(
        "cropped", "cropped to the head, and {0:.0%} more", shifts.cropped,
        (0.0,), (0.04,), (0.08,),
    ),
    *_shift("stretched", "{0:g} times as wide", shifts.stretched, (1.15,), (1.3,), (1.5,)),
    *_shift("turned", "turned by {0:g}°", shifts.turned, (5.0,), (12.0,), (25.0,)),
    *_shift(
        "quarter turns", "turned by {0:g}°", shifts.quarter_turns, (90.0,), (180.0,), (270.0,)
    ),
    *_shift("mirrored", "mirrored", shifts.mirrored, ()),
    *_shift(
        "blurred", "blurred by {0:.1%} of the side", shifts.blurred, (0.006,), (0.012,), (0.02,)
    ),
    *_shift("sharpened", "sharpened {0:g} times", shifts.sharpened, (1.0,), (2.0,), (4.0,)),
    *_shift("few pixels", "{0:g} pixels", shifts.few_pixels, (112.0,), (72.0,), (48.0,)),
    *_shift("JPEG", "JPEG of quality {0:g}", shifts.jpeg, (50.0,), (25.0,), (10.0,)),
    *_shift("noise", "noise of {0:g} levels", shifts.noise, (5.0,), (12.0,), (25.0,)),
    *_shift("bias field", "bias field of {0:g}", shifts.bias_field, (0.3,), (0.6,), (0.9,)),
    *_shift("one-sided", "{0:.0%} darker on one side", shifts.one_sided, (0.3,), (0.6,), (0.9,)),
    *_shift("ghost", "ghost of {0:.0%}", shifts.ghost, (0.1,), (0.2,), (0.3,)),
)  # fmt: skip
"""All of them, the image itself first."""
