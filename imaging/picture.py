"""One picture out of a file, before it is encoded, and what may be known about it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from imaging.identity import NOBODY, Identity

Values = np.ndarray[Any, Any]
"""Numbers of any kind and shape."""
Levels = np.ndarray[Any, np.dtype[np.uint8]]
"""Pixels as a picture file holds them: uint8, [height, width] or [height, width, 3]."""


class RejectedImageError(Exception):
    """A file that cannot be used.

    The message is the reason, without the file's name and without anything that the file says:
    reasons are counted, written to artifacts and shown, and a file may name a patient.
    """


class UnreadableError(RejectedImageError):
    """A file that is missing, is not a regular file, or may not be read.

    It may become readable without its content changing. As of the others the message is the reason.
    """


class MissingReaderError(RejectedImageError):
    """A file that this installation has no library for; the message says what to install."""


class ReadFailedError(Exception):
    """This machine could not read a file now, which says nothing of the file.

    The message is the reason. Who keeps answers must not keep this one.
    """


class StorageGoneError(ReadFailedError):
    """The storage of a file went away while it was read."""


@dataclass(frozen=True)
class TechnicalTags:
    """All that is kept of what a file says besides its pixels; None where it is not known.

    Attributes:
        modality: `MR`, `CT` and so on.
        plane: `axial`, `coronal` or `sagittal`, the nearest one.
        pixel_spacing: Millimetres between the picture's rows.
        slice_thickness: Millimetres.
        field_strength: Tesla.
        manufacturer_model: The scanner's model.
        patient: A salted hash, 32 hexadecimal digits, that is the same for the images of one
            patient: for grouping only.
    """

    modality: str | None = None
    plane: str | None = None
    pixel_spacing: float | None = None
    slice_thickness: float | None = None
    field_strength: float | None = None
    manufacturer_model: str | None = None
    patient: str | None = None


@dataclass(frozen=True)
class Picture:
    """Pixels that came out of a file.

    Attributes:
        levels: uint8, shape [height, width] or, in RGB, [height, width, 3].
        frame: Which frame or slice of the file.
        frames: How many the file has.
        channels: Colour channels in the file.
        tags: What is kept of the rest.
        encoded: A JPEG or PNG file that decodes to these levels and says nothing else; None where
            there is none yet.
        identity: Whose it is, as hashes.
        burnt_in: Whether the file says that text is burnt into the picture.
        values: What the levels were made of, of the same shape, where that is more than 8 bits.
        left_out: What else the file holds that is not read, in words.
    """

    levels: Levels
    frame: int
    channels: int
    tags: TechnicalTags
    encoded: bytes | None = None
    identity: Identity = NOBODY
    burnt_in: bool = False
    frames: int = 1
    values: Values | None = None
    left_out: str | None = None


def check_size(pixels: int, limit: int) -> None:
    """Refuses, before it is decoded, what has more pixels than the limit."""
    if pixels > limit:
        raise RejectedImageError(f"more pixels than the limit of {limit:,}")


def check_frame(frame: int | None, count: int) -> None:
    """Refuses the number of a frame or slice, counted from 0, that a file does not have."""
    if frame is not None and not 0 <= frame < count:
        having = f"frames 0 to {count - 1:,}" if count > 1 else "only frame 0"
        raise RejectedImageError(f"no frame {frame:,}: the file has {having}")


def as_float(values: Values) -> Values:
    """Numbers of any kind as float32, or as float64 where float32 would lose whole numbers."""
    return values.astype(np.result_type(values.dtype.newbyteorder("="), np.float32))


def to_levels(values: Values, low: float, high: float) -> Levels:
    """Maps a range of values to the 256 grey levels.

    Args:
        values: Numbers of any shape.
        low: What becomes 0; so does all below, and what is not a finite number.
        high: What becomes 255; so does all above.

    Returns:
        uint8, of the same shape; all 0 where the range is empty.
    """
    with np.errstate(all="ignore"):
        share = np.clip((as_float(values) - low) / (high - low), 0, 1)
    share[~(np.isfinite(values) & np.isfinite(share))] = 0
    return np.round(share * 255).astype(np.uint8)


def full_range(values: Values) -> Levels:
    """Shows numbers from the least to the greatest; those of 8 bits stay as they are.

    Args:
        values: Numbers of any shape.

    Returns:
        uint8, of the same shape.
    """
    if values.dtype == np.uint8:
        return values
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        return np.zeros(values.shape, np.uint8)
    return to_levels(values, float(finite.min()), float(finite.max()))


def quantile(levels: Values, counts: Values, share: float) -> float:
    """What `np.quantile` says of numbers that are counted.

    Args:
        levels: The different numbers, in order.
        counts: How often each is there.
        share: Of them, 0 to 1.

    Returns:
        The number that this share of them is below, interpolated.
    """
    last = np.cumsum(counts)
    place = share * (int(last[-1]) - 1)
    below, above = (
        float(levels[np.searchsorted(last, rank, side="right")])
        for rank in (math.floor(place), math.ceil(place))
    )
    return below + (above - below) * (place % 1)


def on_black(values: Values) -> Values:
    """Lays a picture on black: what is transparent shows nothing of what is hidden there.

    Args:
        values: uint8 or uint16, [height, width, 2] (grey) or [height, width, 4] (RGB), the last
            channel being opacity.

    Returns:
        The same without that channel, of the same type: [height, width] or [height, width, 3].
    """
    full = np.iinfo(values.dtype).max
    colours, opacity = values[..., :-1].astype(np.uint64), values[..., -1:].astype(np.uint64)
    laid = ((colours * opacity + full // 2) // full).astype(values.dtype)
    return laid[..., 0] if laid.shape[2] == 1 else laid


def square_pixels(levels: Levels, rows: float, columns: float, limit: int) -> Levels:
    """Resamples a picture so that its pixels are as wide as they are high.

    Args:
        levels: The picture.
        rows: Distance between its rows, finite and positive.
        columns: Distance between its columns, in the same unit.
        limit: The most pixels that it may have.

    Returns:
        The picture with the smaller distance both ways; itself where they differ by 1 % or less.

    Raises:
        RejectedImageError: It would have more pixels than the limit.
    """
    least = min(rows, columns)
    if max(rows, columns) / least <= 1.01:
        return levels
    height, width = (
        round(n * (size / least)) for n, size in zip(levels.shape, (rows, columns), strict=False)
    )
    if height * width > limit:
        raise RejectedImageError(f"more pixels, once they are square, than the limit of {limit:,}")
    resized = Image.fromarray(levels).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
