"""A file's frames for a person who looks at them: values to choose a window in, and where they lie.

A picture has the 256 levels that the model sees. Here are the values that they were made of, as
whole numbers, and what the file says of their place; nothing that it says of a person.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from imaging.picture import Picture, Values

OPPOSITES = {"R": "L", "L": "R", "A": "P", "P": "A", "H": "F", "F": "H"}
"""Right, left, anterior, posterior, head, feet."""
_WIDE = 16
"""Bits of a sample that eight do not hold."""
_OBLIQUE = 0.3
"""Cosine from which a direction has a second letter: 17 degrees off."""


@dataclass(frozen=True)
class FileView:
    """What holds for all frames of a file; None where it is not known.

    Attributes:
        width: Pixels in a row, as they are stored: not resampled to squares.
        height: Rows.
        channels: 1, or 3 for RGB.
        bits: Of a sample: 8 or 16.
        inverted: Whether low values are white.
        spacing_mm: Millimetres between rows and between columns.
        thickness_mm: Of a slice.
        plane: `axial`, `coronal` or `sagittal`, the nearest one.
        modality: `MR`, `CT` and so on.
        sequence: Words such as `T1` or `FLAIR`.
        side: `L` or `R`, where the file says whose side it shows.
        series: The same for files of one series, as long as this process runs; it leads nowhere.
        study: The same for files of one study, that is of one patient.
        patient: The same for files of one patient, where they name one.
        position_mm: Where the first frame lies across the slices.
        left_out: What else the file holds that is not read, in words.
    """

    width: int
    height: int
    channels: int = 1
    bits: int = 8
    inverted: bool = False
    spacing_mm: tuple[float, float] | None = None
    thickness_mm: float | None = None
    plane: str | None = None
    modality: str | None = None
    sequence: str | None = None
    side: str | None = None
    series: str | None = None
    study: str | None = None
    patient: str | None = None
    position_mm: float | None = None
    left_out: str | None = None


@dataclass(frozen=True)
class Scale:
    """How samples and values hang together: value = slope * sample + intercept.

    Attributes:
        slope: Finite, not zero.
        intercept: Finite.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def samples(self, values: Values, bits: int) -> Values:
        """Makes samples of values; what is not a number becomes that of the least value.

        Args:
            values: Numbers of any shape.
            bits: Of a sample: 8 or 16.

        Returns:
            uint8 or uint16, of the same shape.
        """
        with np.errstate(all="ignore"):
            found = np.rint((values.astype(np.float64) - self.intercept) / self.slope)
        nothing = 0 if self.slope > 0 else 2**bits - 1
        clipped = np.clip(np.where(np.isnan(found), nothing, found), 0, 2**bits - 1)
        whole: Values = clipped.astype(np.uint8 if bits == 8 else np.uint16)
        return whole

    @staticmethod
    def spanning(values: Values) -> "Scale":
        """The scale that spreads values over all samples of 16 bits."""
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if not finite.size:
            return Scale()
        low, high = float(finite.min()), float(finite.max())
        span = (high - low) / (2**_WIDE - 1)
        return Scale(span if span > 0 and math.isfinite(span) else 1.0, low)


@dataclass(frozen=True)
class FrameView:
    """What holds for one frame.

    Attributes:
        scale: From samples to values.
        window: Centre and width, in values, of what is shown from black to white; None in colours.
        said_window: The same as the file says it: of DICOM, a linear window begins half a value
            lower and is one narrower than its numbers (PS3.3 C.11.2.1.2.1). None where the file
            says none and the range is shown that the model sees.
        orientation: Letters of `OPPOSITES` by side (`left`, `right`, `top`, `bottom`); None where
            it is not known.
    """

    scale: Scale = Scale()
    window: tuple[float, float] | None = None
    said_window: tuple[float, float] | None = None
    orientation: Mapping[str, str] | None = None


class Viewer(Protocol):
    """Frames for a person who looks at them."""

    @property
    def file(self) -> FileView:
        """What holds for all of them."""

    def frame(self, number: int) -> FrameView:
        """What holds for one; it raises `RejectedImageError` if it is bad."""

    def samples(self, number: int) -> Values:
        """Its samples, upright: [height, width] or [height, width, 3], of as many bits as said."""

    def black(self, number: int) -> int:
        """The sample that is black in it."""


class PlainViewer:
    """The one frame of a file that says nothing of where it lies."""

    def __init__(self, picture: Picture) -> None:
        """Takes the picture's values, or where there are no others its levels.

        Args:
            picture: The picture.
        """
        deep = picture.values
        self._deep = deep is not None and deep.ndim == 2
        self._values = deep if deep is not None and self._deep else picture.levels
        self._left_out = picture.left_out
        is_short = self._values.dtype.kind == "u" and self._values.dtype.itemsize <= 2
        self._scale = Scale() if is_short else Scale.spanning(self._values)

    @property
    def file(self) -> FileView:
        """What holds for it."""
        height, width = self._values.shape[:2]
        channels = 1 if self._values.ndim == 2 else 3
        bits = _WIDE if self._deep else 8
        return FileView(width, height, channels, bits, left_out=self._left_out)

    def frame(self, number: int) -> FrameView:
        """What holds for it, too."""
        del number
        if self._values.ndim == 3:
            return FrameView()
        finite = self._values[np.isfinite(self._values)]
        if not self._deep or not finite.size:
            return FrameView(self._scale, between(0, 255))
        return FrameView(self._scale, between(float(finite.min()), float(finite.max())))

    def samples(self, number: int) -> Values:
        """Its samples."""
        del number
        return self._scale.samples(self._values, _WIDE) if self._deep else self._values

    def black(self, number: int) -> int:
        """The sample that is black."""
        del number
        return 0


def between(low: float, high: float) -> tuple[float, float]:
    """A window's centre and width by where it begins and ends; never without any width."""
    return (low + high) / 2, max(high - low, 1e-6)


def letters(left: float, posterior: float, head: float) -> str | None:
    """Names a direction in the patient.

    Args:
        left: Its share towards the patient's left, -1 to 1.
        posterior: Towards the back.
        head: Towards the head.

    Returns:
        One or two of the letters of `OPPOSITES`, the nearest first; None for no direction.
    """
    pairs = ((left, "LR"), (posterior, "PA"), (head, "HF"))
    near = sorted(
        ((-abs(share), pair[share < 0]) for share, pair in pairs if abs(share) > _OBLIQUE)
    )
    return "".join(letter for _, letter in near[:2]) or None


def orientation(right: str | None, bottom: str | None) -> Mapping[str, str] | None:
    """The letters on all four sides, by those on two of them.

    Args:
        right: Where rows go to, such as `L` or `LP`.
        bottom: Where columns go to.

    Returns:
        Letters by side; None if one is not known.
    """
    if not right or not bottom:
        return None
    left, top = ("".join(OPPOSITES[letter] for letter in letters_) for letters_ in (right, bottom))
    return {"left": left, "right": right, "top": top, "bottom": bottom}
