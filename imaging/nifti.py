"""NIfTI: slices of a volume, upright, as pictures.

The header's free texts and its extensions, which may name a patient, are never looked at.
"""

import logging
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.orientations import apply_orientation, io_orientation
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from imaging.config import NiftiConfig, ReadConfig
from imaging.masks import count_levels, is_label_volume
from imaging.picture import (
    Levels,
    Picture,
    RejectedImageError,
    TechnicalTags,
    Values,
    check_frame,
    quantile,
    square_pixels,
    to_levels,
)
from imaging.pictures import Pictures
from imaging.viewing import FileView, FrameView, Scale, between, orientation

logging.getLogger("nibabel").setLevel(logging.CRITICAL + 1)

_PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The canonical axis across the slices: to the right, to the front, upwards."""
_SIDES = (("P", "F"), ("L", "F"), ("L", "P"))
"""By the axis across the slices: where their pictures' rows and columns go to."""
_MILLIMETRES = {1: 1000.0, 3: 0.001}
"""By the header's codes for metres and micrometres; all others mean millimetres."""
_GZIP = b"\x1f\x8b"
_IS_LABELS = "NIfTI label volume (a mask)"
_LABELS = {1002, 1003}
"""Intent codes of labels and of names of parts of the brain."""
_BITS = {8, 16, 32, 64, 128}
_LONGEST = 1.2
"""Length up to which a quaternion's vector counts as one of length 1."""
_SHOWN = (0.01, 0.995)
"""Shares of the values that are below what becomes black and what becomes white."""
_NOTHING = 1e-4
"""Nearer to it than this, a whole number stands for zero."""


def read_nifti(content: bytes, config: ReadConfig, frame: int | None = None) -> Pictures:
    """Opens slices of a NIfTI-1 or NIfTI-2 volume, packed by gzip or not.

    The volume (the first, where there are several) is turned to the closest canonical orientation.
    Pictures are as radiologists look at them: the front is up in axial ones and the top in the
    others; the patient's right, or in sagittal ones the front, is on the left. The 1st to the
    99.5th percentile of the voxels that are not zero is shown, in all slices alike.

    Args:
        content: The file.
        config: Which slices, and the limits.
        frame: Only this slice, whatever the configuration says.

    Returns:
        The slices, numbered along the canonical axis.

    Raises:
        RejectedImageError: The file holds no volume, or none that can be shown, or labels.
    """
    try:
        volume = _describe(_unpacked(content, Nifti2Header.sizeof_hdr), config)
        stored = _stored(content, volume)
    except (EOFError, zlib.error):
        raise RejectedImageError("truncated or damaged NIfTI") from None
    counted = count_levels(stored)
    low, high = _range(stored, counted, volume)
    values = stored.reshape(volume.shape, order="F")
    if is_label_volume(values, counted):
        raise RejectedImageError(_IS_LABELS)
    return _slices(apply_orientation(values, volume.turns), low, high, volume, config, frame)


@dataclass(frozen=True)
class _Volume:
    """What the header says of the first volume.

    Attributes:
        shape: Voxels along the three axes, as stored.
        dtype: Of a voxel.
        header: Bytes of the header alone.
        offset: Where the voxels begin in the unpacked file; None where the header does not say.
        slope: Factor of the stored values, finite and not zero.
        inter: What is added to them then, finite.
        turns: How the stored axes become canonical, as nibabel says it: float64 [3, 2].
        sizes: Voxel size along the canonical axes.
        unit: Millimetres in a unit of `sizes`.
        is_oriented: Whether the header says how the axes lie in the patient.
        volumes: How many there are.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    header: int
    offset: int | None
    slope: float
    inter: float
    turns: Values
    sizes: tuple[float, ...]
    unit: float
    is_oriented: bool
    volumes: int


def _unpacked(content: bytes, size: int) -> bytes:
    """The first bytes of what is in the file, or all of them where there are fewer.

    No more is unpacked, and what follows the last packed part is passed over, as gzip does it.
    """
    if not content.startswith(_GZIP):
        return content[:size]
    parts, left, packed = [], size, content
    while left > 0 and packed.startswith(_GZIP):
        inflater = zlib.decompressobj(zlib.MAX_WBITS + 16)
        part = inflater.decompress(packed, left)
        left -= len(part)
        parts.append(part)
        # Where nothing more is packed, one byte further the checksum is looked at.
        more = inflater.eof or inflater.decompress(inflater.unconsumed_tail, 1)
        if not more and not inflater.eof:
            raise EOFError
        packed = inflater.unused_data
    return b"".join(parts)


def _describe(start: bytes, config: ReadConfig) -> _Volume:
    try:
        header = _header(start)
        shape = _shape(header)
        dtype = header.get_data_dtype()
        offset = int(header["vox_offset"]) or None
        slope, inter = header.get_slope_inter()
    except (HeaderDataError, WrapStructError, KeyError, OverflowError, ValueError):
        raise RejectedImageError("NIfTI with a damaged header") from None
    if math.prod(shape) > config.max_pixels:
        raise RejectedImageError(f"more voxels than the limit of {config.max_pixels:,}")
    if dtype.kind not in "iuf":
        raise RejectedImageError("NIfTI of voxels that are not single numbers")
    if int(header["intent_code"]) in _LABELS:
        raise RejectedImageError(_IS_LABELS)
    if offset is not None and offset > config.max_file_bytes:
        raise RejectedImageError("NIfTI with a damaged header")
    turns, sizes = _orientation(header)
    return _Volume(
        shape=shape,
        dtype=dtype,
        header=header.sizeof_hdr,
        offset=offset,
        slope=slope or 1.0,
        inter=inter or 0.0,
        turns=turns,
        sizes=sizes,
        unit=_MILLIMETRES.get(int(header["xyzt_units"]) % 8, 1.0),
        is_oriented=bool(header["sform_code"] > 0 or header["qform_code"] > 0),
        volumes=_volumes(header, shape),
    )


def _header(start: bytes) -> Any:
    """Parses the header and puts right what FSL and nibabel put right.

    nibabel does so for the bits of a voxel, the header's size, and voxel sizes of zero or below.
    """
    kind = Nifti2Header if b"n+2" in start[:8] or b"ni2" in start[:8] else Nifti1Header
    header = kind(start[: kind.sizeof_hdr], _byte_order(start, kind), check=False)
    if bytes(header["magic"]).startswith(b"ni"):
        raise RejectedImageError(
            "half of a NIfTI pair (.hdr and .img): convert the pair to one .nii file"
        )
    axes = header["dim"][:1]
    if not 1 <= axes[0] <= 7:
        axes.byteswap(inplace=True)
    if not 1 <= axes[0] <= 7:
        raise RejectedImageError("NIfTI without voxels")
    sizes = header["pixdim"]
    sizes[0] = -1 if sizes[0] < 0 else 1
    sizes[1:][~np.isfinite(sizes[1:])] = 1
    for code in ("sform_code", "qform_code"):  # which space it is does not matter here
        header[code] = min(header[code], 1)
    if not np.isfinite(header["scl_inter"]):
        header["scl_inter"] = 0
    if not header["vox_offset"] >= kind.single_vox_offset:
        header["vox_offset"] = 0
    header.check_fix()
    return header


def _byte_order(start: bytes, kind: type[Nifti1Header]) -> str | None:
    """The byte order that most of three fields stand for; None leaves it to nibabel."""
    votes = {}
    for order in "<>":
        dtype = kind.template_dtype.newbyteorder(order)
        fields = np.frombuffer(start[: kind.sizeof_hdr], dtype, 1)[0]
        votes[order] = sum(
            (fields["sizeof_hdr"] == kind.sizeof_hdr, 1 <= fields["dim"][0] <= 7,
             fields["bitpix"] in _BITS)
        )  # fmt: skip
    return None if votes["<"] == votes[">"] else max(votes, key=lambda order: votes[order])


def _shape(header: Any) -> tuple[int, ...]:
    """Voxels along the three axes of the first volume.

    What counts nothing behind the last axis is not an axis, and neither is one of length 1 before
    three longer ones, as where a programme puts channels first.
    """
    shape = list(header.get_data_shape())
    while len(shape) > 1 and shape[-1] < 1:
        shape.pop()
    if not shape or min(shape) < 1:
        raise RejectedImageError("NIfTI without voxels")
    first = next((axis for axis, count in enumerate(shape) if count > 1), 0)
    if len(shape) >= first + 3 and min(shape[first : first + 3]) > 1:
        shape = shape[first:]
    return (*shape, 1, 1)[:3]


def _volumes(header: Any, shape: tuple[int, ...]) -> int:
    """How many of this shape the header claims."""
    counts = [max(1, int(count)) for count in header.get_data_shape()]
    return math.prod(counts) // math.prod(shape)


def _orientation(header: Any) -> tuple[Values, tuple[float, ...]]:
    """How the axes lie, and the voxel sizes: by the first transformation that says so.

    Raises:
        RejectedImageError: The header claims to know, but says it in none that can be used.
    """
    for affine in _affines(header):
        axes = affine[:3, :3]
        if not np.isfinite(axes).all():
            continue
        turns = io_orientation(affine)
        sizes = np.linalg.norm(axes, axis=0)
        if np.isfinite(turns).all() and (sizes > 0).all():
            return turns, tuple(float(sizes[one]) for one in np.argsort(turns[:, 0]))
    raise RejectedImageError("NIfTI with a damaged header: its voxels have no size or no direction")


def _affines(header: Any) -> Iterator[Values]:
    """What the header claims: the sform, the qform; voxel sizes alone where it has neither."""
    if header["sform_code"] > 0:
        yield header.get_sform()
    if header["qform_code"] > 0:
        vector = np.array([header[f"quatern_{one}"] for one in "bcd"], np.float64)
        length = np.linalg.norm(vector)
        if length > 1:  # by no more than rounding, or not at all
            for one, value in zip("bcd", vector / length * (1 - 1e-15), strict=True):
                header[f"quatern_{one}"] = value
        if length <= _LONGEST:
            yield header.get_qform()
    if header["sform_code"] <= 0 and header["qform_code"] <= 0:
        yield header.get_base_affine()


def _stored(content: bytes, volume: _Volume) -> Values:
    """Returns the voxels of the first volume as they are stored, one after the other."""
    size = math.prod(volume.shape) * volume.dtype.itemsize
    gap = 4  # between a header and what follows it: whether there are extensions
    start = volume.header + gap if volume.offset is None else volume.offset
    unpacked = _unpacked(content, start + size)
    if volume.offset is None and len(unpacked) == start + size - gap:
        start -= gap  # some programmes leave them out
    if len(unpacked) < start + size:
        raise EOFError
    return np.frombuffer(unpacked, volume.dtype, size // volume.dtype.itemsize, start)


def _slices(
    values: Values,
    low: float,
    high: float,
    volume: _Volume,
    config: ReadConfig,
    frame: int | None,
) -> Pictures:
    axis = _PLANES[config.nifti.plane]
    planes = np.moveaxis(values, axis, 0)
    if min(planes.shape[1:]) < 2:
        raise RejectedImageError("NIfTI too thin for slices in the plane that is asked for")
    columns, rows = (size for one, size in enumerate(volume.sizes) if one != axis)
    tags = TechnicalTags(
        plane=config.nifti.plane,
        pixel_spacing=round(min(rows, columns) * volume.unit, 4),
        slice_thickness=round(volume.sizes[axis] * volume.unit, 4),
    )
    chosen = _positions(len(planes), config.nifti) if frame is None else [frame]
    check_frame(frame, len(planes))

    def make(number: int) -> Picture:
        upright: Levels = to_levels(planes[number], low, high).T[::-1, ::-1]
        square = square_pixels(upright, rows, columns, config.max_pixels)
        return Picture(square, frame=number, channels=1, tags=tags, frames=len(planes))

    viewer = partial(_NiftiViewer, planes, volume, axis, between(*_meant(volume, low, high)))
    return Pictures(len(planes), chosen, make, planes[0].size, viewer)


class _NiftiViewer:
    """The slices of a volume for a person who looks at them."""

    def __init__(
        self, planes: Values, volume: _Volume, axis: int, window: tuple[float, float]
    ) -> None:
        self._planes, self._volume, self._axis, self._window = planes, volume, axis, window
        info = np.iinfo(planes.dtype) if planes.dtype.kind in "iu" else None
        if info is not None and info.bits <= 16:
            self._stored = Scale(1.0, float(info.min))
        else:
            self._stored = Scale.spanning(planes)
        self._bits = 8 if info is not None and info.bits == 8 else 16

    @property
    def file(self) -> FileView:
        """What holds for all slices."""
        sizes = [round(size * self._volume.unit, 4) for size in self._volume.sizes]
        columns, rows = (size for one, size in enumerate(sizes) if one != self._axis)
        width, height = self._planes.shape[1:]
        return FileView(
            width=width,
            height=height,
            bits=self._bits,
            spacing_mm=(rows, columns),
            thickness_mm=sizes[self._axis],
            plane=next(name for name, axis in _PLANES.items() if axis == self._axis),
            left_out=(
                None
                if self._volume.volumes == 1
                else f"Only the first of {self._volume.volumes:,} volumes is judged"
            ),
        )

    def frame(self, number: int) -> FrameView:
        """What holds for one: the same for each."""
        del number
        slope, stored = self._volume.slope, self._stored
        meant = Scale(stored.slope * slope, stored.intercept * slope + self._volume.inter)
        lies = orientation(*_SIDES[self._axis]) if self._volume.is_oriented else None
        return FrameView(meant, self._window, orientation=lies)

    def samples(self, number: int) -> Values:
        """Its samples, upright."""
        return np.ascontiguousarray(
            self._stored.samples(self._planes[number].T[::-1, ::-1], self._bits)
        )

    def black(self, number: int) -> int:
        """The sample that is black."""
        del number
        return 0 if self._volume.slope > 0 else 2**self._bits - 1


def _meant(volume: _Volume, low: float, high: float) -> tuple[float, float]:
    """What stored values stand for."""
    return low * volume.slope + volume.inter, high * volume.slope + volume.inter


def _positions(extent: int, config: NiftiConfig) -> list[int]:
    shares = np.linspace(config.first, config.last, config.slices)
    return [int(index) for index in np.unique(np.round(shares * (extent - 1)).astype(np.intp))]


def _range(
    stored: Values, counted: tuple[Values, Values] | None, volume: _Volume
) -> tuple[float, float]:
    """Returns the stored values that become black and white.

    Scaling keeps the order of values or turns it round, so it need not be carried out: only the
    stored value that means zero has to be known.
    """
    zero = -volume.inter / volume.slope
    shares = _SHOWN if volume.slope > 0 else tuple(1 - share for share in _SHOWN)
    levels, counts = counted or (stored, None)
    kept = levels != zero if counts is None else np.abs(levels - zero) > _NOTHING
    if levels.dtype.kind == "f":
        kept &= np.isfinite(levels)
    levels = levels[kept]
    if not levels.size:
        raise RejectedImageError("NIfTI whose voxels are all zero or not numbers")
    if counts is None:
        low, high = (float(value) for value in np.quantile(levels, shares, overwrite_input=True))
    else:
        low, high = (quantile(levels, counts[kept], share) for share in shares)
    if low != high:
        return low, high
    return (zero, high) if (high > zero) == (volume.slope > 0) else (low, zero)
