"""Stored values of DICOM pixels to grey levels (PS3.3 C.11, C.7.5.1.1.2; PS3.4 N.2).

What a stored value becomes depends on nothing but the value, so it is worked out once a value that
occurs, not once a pixel. pydicom's functions for these steps take the data set's own window and
slope, not those of a frame's functional groups, invert by the brightest pixel that happens to be in
a picture, and fail on tables that people have; so the steps are here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from imaging.dicom.elements import functional, item, number, numbers, value, words
from imaging.dicom.layout import Layout
from imaging.picture import Levels, RejectedImageError, Values, as_float, quantile, to_levels

COLOURS = ("Red", "Green", "Blue")
_LEAST_LEVELS = 8
"""A window that leaves fewer grey levels than this shows nothing."""
_SAMPLE = 100_000
"""About how many pixels of a frame are looked at, at least, to choose a range of values."""
_SHARES = (0.01, 0.99)
_PADDINGS = {"f4": "FloatPixelPadding", "f8": "DoubleFloatPixelPadding"}


class GreyFrames:
    """Shows grey frames as their data set says, or by the range of their values where it does not.

    All frames of a file are shown alike: if one has no window, the range of all is looked for.
    """

    def __init__(
        self,
        dataset: Any,
        layout: Layout,
        frames: Sequence[int],
        stored: Callable[[int], Values],
    ) -> None:
        """Decodes nothing yet.

        Args:
            dataset: The data set.
            layout: How it stores pixels.
            frames: The numbers of the frames that have a say in the range of values.
            stored: Decodes the stored values of a frame, [rows, columns].
        """
        self._dataset, self._layout = dataset, layout
        self._frames, self._stored = frames, stored
        self._last: _Seen | None = None

    def levels(self, frame: int) -> Levels:
        """Shows a frame.

        Args:
            frame: Its number.

        Returns:
            Its levels. What is padding is black, and has no say in the range of values.

        Raises:
            RejectedImageError: No pixel is a number, or a frame is bad.
        """
        chosen = self._range  # before the frame is decoded: memory for one at a time
        one = self._see(frame)
        if chosen is None:
            levels = _presented(self._dataset, frame, one.meanings)
            assert levels is not None  # a frame without a window makes for a range
        else:
            levels = to_levels(one.meanings, *chosen)
        return one.picture(_perceived(self._dataset, self._layout)[levels])

    def meanings(self, frame: int) -> Values:
        """The values that occur in a frame, after the modality transformation; of any shape."""
        return self._see(frame).meanings

    def mapped(self, frame: int, change: Callable[[Values], Values], padding: int) -> Values:
        """What a function makes of a frame's values (PS3.3 C.11.1).

        Args:
            frame: Its number.
            change: From values of any shape to others.
            padding: What fills up the picture's rectangle.

        Returns:
            [rows, columns].
        """
        one = self._see(frame)
        changed = change(one.meanings)
        changed[~one.is_signal] = padding
        return changed if one.places is None else changed[one.places]

    def shown(self, frame: int) -> tuple[float, float]:
        """What a frame's pixels mean where they become black and white.

        Of a file whose tables say it, which no window can, the range of the values.
        """
        return self._range or _window(self._dataset, frame) or self._values

    def said_window(self, frame: int) -> tuple[float, float] | None:
        """Centre and width as the file says them; None where the range of its values is shown."""
        return _said(self._dataset, frame) if self._range is None else None

    @property
    def _range(self) -> tuple[float, float] | None:
        """The values to show from black to white; None where the file's windows are fit to show."""
        if isinstance(self._looked, RejectedImageError):
            raise self._looked
        return self._looked

    @cached_property
    def _looked(self) -> tuple[float, float] | RejectedImageError | None:
        """The same, or why it cannot be told: no frame is decoded twice to learn it."""
        try:
            return self._look()
        except RejectedImageError as error:
            return error

    def _look(self) -> tuple[float, float] | None:
        nothing = np.zeros(1, np.float32)
        if all(_presented(self._dataset, one, nothing) is not None for one in self._frames):
            used = np.zeros(256, bool)
            for one in self._seen():
                levels = _presented(self._dataset, one.frame, one.meanings)
                if levels is not None:
                    used[levels.ravel()[one.counts() > 0]] = True
                if np.count_nonzero(used) >= _LEAST_LEVELS:
                    return None
        return self._values

    @cached_property
    def _values(self) -> tuple[float, float]:
        """The range of the values of all frames."""
        return _range(self._seen())

    def _seen(self) -> Iterator["_Seen"]:
        """All frames but damaged ones, of which each is told where it is asked for."""
        damage, readable = RejectedImageError("DICOM without frames"), 0
        for frame in self._frames:
            try:
                one = self._see(frame)
            except RejectedImageError as error:
                damage = error
                continue
            readable += 1
            yield one
        if not readable:
            raise damage

    def _see(self, frame: int) -> "_Seen":
        if self._last is None or self._last.frame != frame:
            self._last = None  # memory for one at a time
            self._last = _see(self._dataset, self._layout, frame, self._stored(frame))
        return self._last


class PaletteFrames:
    """Shows frames of a palette in its colours (PS3.3 C.7.6.3.1.5)."""

    def __init__(self, dataset: Any, layout: Layout, stored: Callable[[int], Values]) -> None:
        """Reads the palette.

        Args:
            dataset: The data set.
            layout: How it stores pixels.
            stored: Decodes the stored values of a frame, [rows, columns].

        Raises:
            RejectedImageError: The palette is not there, damaged or segmented.
        """
        found = [_table(dataset, dataset, f"{colour}PaletteColorLookupTable") for colour in COLOURS]
        self._palette = [table for table in found if table]
        if len(self._palette) < len(COLOURS):
            raise RejectedImageError("DICOM with a palette that is missing, damaged or segmented")
        self._dataset, self._layout, self._stored = dataset, layout, stored

    def levels(self, frame: int) -> Levels:
        """Shows a frame: levels [rows, columns, 3]; what is padding is black."""
        values = self._stored(frame)
        colours = [to_levels(one.look_up(values), 0, one.full) for one in self._palette]
        shown = np.stack(colours, axis=-1)
        shown[_is_padding(self._dataset, self._layout, values)] = 0
        return shown


@dataclass(frozen=True)
class _Seen:
    """The values that occur in a frame.

    Attributes:
        frame: The frame's number.
        meanings: What they stand for.
        is_signal: Which of them are not padding.
        places: Where among them a pixel's value is, [rows, columns]; None where `meanings` holds
            one a pixel.
    """

    frame: int
    meanings: Values
    is_signal: Values
    places: Values | None

    def picture(self, levels: Levels) -> Levels:
        """The frame, of a level a value."""
        levels[~self.is_signal] = 0
        return levels if self.places is None else levels[self.places]

    def counts(self, step: int = 1) -> Values:
        """How often each value occurs, as signal, in every `step`-th pixel."""
        if self.places is None:
            taken = np.zeros(self.meanings.size, bool)
            taken[::step] = True
            return (taken & self.is_signal.ravel()).astype(np.intp)
        found = np.bincount(self.places.ravel()[::step], minlength=self.meanings.size)
        return found * self.is_signal


def _see(dataset: Any, layout: Layout, frame: int, stored: Values) -> _Seen:
    places = None
    if stored.dtype.kind in "iu":
        low, high = int(stored.min()), int(stored.max())
        if high - low < stored.size:
            places = np.subtract(stored, low, dtype=np.intp)
            stored = np.arange(low, high + 1).astype(stored.dtype)
    is_signal = ~_is_padding(dataset, layout, stored)
    return _Seen(frame, _meant(dataset, frame, stored), is_signal, places)


def _is_padding(dataset: Any, layout: Layout, stored: Values) -> Values:
    """Which stored values fill up the picture's rectangle (PS3.3 C.7.5.1.1.2)."""
    name = _PADDINGS.get(stored.dtype.str[1:], "PixelPadding")
    ends = [number(value(dataset, name + end)) for end in ("Value", "RangeLimit")]
    if ends[0] is None:
        return np.zeros(stored.shape, bool)
    if name == "PixelPadding":
        ends = [None if end is None else _stored(int(end), layout) for end in ends]
    limits = [end for end in ends if end is not None]
    return (stored >= min(limits)) & (stored <= max(limits))


def _stored(padding: int, layout: Layout) -> int:
    """A padding value as a stored one: files write signed ones as unsigned, and the reverse."""
    span: int = 2**layout.bits
    least = -span // 2 if layout.is_signed else 0
    for size in (layout.allocated, layout.bits):
        wrapped: int = (padding - least) % 2**size + least
        if wrapped < least + span:
            return wrapped
    return padding


def _meant(dataset: Any, frame: int, stored: Values) -> Values:
    """The modality transformation: stored values become what they stand for."""
    table = _table(dataset, item(dataset, "ModalityLUTSequence"), "LUT")
    if table:
        return as_float(table.look_up(stored))
    slope, intercept = _line(dataset, frame)
    with np.errstate(all="ignore"):
        return as_float(stored) * slope + intercept


def scaling(dataset: Any, frame: int) -> tuple[float, float] | None:
    """Slope and intercept from stored values to what they stand for; None if it is no line."""
    if _table(dataset, item(dataset, "ModalityLUTSequence"), "LUT"):
        return None
    return _line(dataset, frame)


def _line(dataset: Any, frame: int) -> tuple[float, float]:
    slope, intercept = (
        number(functional(dataset, frame, "PixelValueTransformationSequence", keyword))
        for keyword in ("RescaleSlope", "RescaleIntercept")
    )
    return slope or 1.0, intercept or 0.0


def _presented(dataset: Any, frame: int, values: Values) -> Levels | None:
    """The VOI transformation; None where the file describes none."""
    table = _table(dataset, item(dataset, "VOILUTSequence"), "LUT")
    if table:
        return to_levels(table.look_up(values), 0, table.full)
    window = _window(dataset, frame)
    if window is None:
        return None
    low, high = window
    if _function(dataset, frame) == "SIGMOID":
        with np.errstate(all="ignore"):
            steepness = -4 / (high - low)
            return to_levels(1 / (1 + np.exp(steepness * (values - (low + high) / 2))), 0, 1)
    return to_levels(values, low, high)


def _function(dataset: Any, frame: int) -> Any:
    return functional(dataset, frame, "FrameVOILUTSequence", "VOILUTFunction")


def _window(dataset: Any, frame: int) -> tuple[float, float] | None:
    """Where the file's own window begins and ends; None where it has none."""
    said = _said(dataset, frame)
    if said is None:
        return None
    center, width = said
    if _function(dataset, frame) not in ("SIGMOID", "LINEAR_EXACT"):
        center, width = center - 0.5, width - 1
    return center - width / 2, center + width / 2


def _said(dataset: Any, frame: int) -> tuple[float, float] | None:
    """The file's own window in its own numbers: centre and width; None where it has none."""
    center, width = (
        number(functional(dataset, frame, "FrameVOILUTSequence", keyword))
        for keyword in ("WindowCenter", "WindowWidth")
    )
    return None if center is None or width is None or width <= 0 else (center, width)


def _perceived(dataset: Any, layout: Layout) -> Levels:
    """The presentation transformation (PS3.3 C.11.4, C.11.6): a level for each of the 256.

    A table or a shape takes the place of what `MONOCHROME1` says: that is INVERSE already.
    """
    levels = np.arange(256, dtype=np.uint8)
    table = _table(dataset, item(dataset, "PresentationLUTSequence"), "LUT")
    if table:
        entries = np.linspace(0, table.entries.size - 1, 256)
        return to_levels(table.entries[np.round(entries).astype(np.intp)], 0, table.full)
    return 255 - levels if is_inverted(dataset, layout) else levels


def is_inverted(dataset: Any, layout: Layout) -> bool:
    """Whether low values are white, where no table says how values are presented."""
    shape = next(iter(words(value(dataset, "PresentationLUTShape"))), "")
    if shape not in ("IDENTITY", "INVERSE"):
        return layout.photometric == "MONOCHROME1"
    return shape == "INVERSE"


def _range(seen: Iterable[_Seen]) -> tuple[float, float]:
    """Returns the values to show from black to white: percentiles of all frames together."""
    sampled = []
    for one in seen:
        size = (one.meanings if one.places is None else one.places).size
        counts = one.counts(max(1, size // _SAMPLE))
        sampled.append((one.meanings.ravel()[counts > 0], counts[counts > 0]))
    values = np.concatenate([values for values, _ in sampled])
    counts = np.concatenate([counts for _, counts in sampled])
    if not counts.size:  # nothing but padding
        return 0, 1
    kept = np.isfinite(values)
    if not kept.any():
        raise RejectedImageError("DICOM whose pixels are not numbers")
    order = np.argsort(values[kept], kind="stable")
    values, counts = values[kept][order], counts[kept][order]
    low, high = (quantile(values, counts, share) for share in _SHARES)
    return (low, high) if low < high else (float(values[0]), float(values[-1]))


@dataclass(frozen=True)
class _Table:
    """A lookup table (PS3.3 C.11.1.1): its entries, and the stored value that the first is for."""

    entries: Values
    first: float
    full: int

    def look_up(self, values: Values) -> Values:
        index = np.nan_to_num(np.round(as_float(values) - self.first))
        return self.entries[np.clip(index, 0, self.entries.size - 1).astype(np.intp)]


def _table(dataset: Any, owner: Any, name: str) -> _Table | None:
    described = numbers(value(owner, f"{name}Descriptor"))
    data = value(owner, f"{name}Data")
    if len(described) != 3 or data is None:
        return None
    count, first, bits = int(described[0]) % 2**16 or 2**16, described[1], int(described[2])
    if first >= 2**15 and first + count > 2**16:  # a signed number that was read as unsigned
        first -= 2**16
    if isinstance(data, bytes):
        order = "<" if dataset.original_encoding[1] else ">"
        wide = len(data) >= 2 * count
        entries = np.frombuffer(data, f"{order}u2" if wide else "u1", len(data) // (1 + wide))
    else:
        entries = np.asarray(numbers(data))
    if not 8 <= bits <= 16 or not entries.size:
        return None
    return _Table(entries[:count], first, 2**bits - 1)
