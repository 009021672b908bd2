"""NIfTI: slices of a volume, upright, as pictures.

The header's free texts and its extensions, which may name a patient, are never looked at.
"""

import gzip
import io
import logging
import math
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.orientations import apply_orientation, io_orientation
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from components.ingest.config import IngestConfig, NiftiConfig
from components.ingest.picture import (
    Levels,
    Picture,
    RejectedImageError,
    TechnicalTags,
    Values,
    as_float,
    square_pixels,
    to_levels,
)

logging.getLogger("nibabel").setLevel(logging.CRITICAL + 1)

_PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The canonical axis across the slices: to the right, to the front, upwards."""
_MILLIMETRES = {1: 1000.0, 3: 0.001}
"""By the header's codes for metres and micrometres; all others mean millimetres."""


def read_nifti(content: bytes, config: IngestConfig) -> list[Picture]:
    """Reads slices of a NIfTI-1 or NIfTI-2 volume, packed by gzip or not.

    The volume (the first, where there are several) is turned to the closest canonical orientation.
    Pictures are as radiologists look at them: the front is up in axial ones and the top in the
    others; the patient's right, or in sagittal ones the front, is on the left. The 1st to the
    99.5th percentile of the voxels that are not zero is shown, in all slices alike.

    Args:
        content: The file.
        config: Which slices, and the limits.

    Returns:
        A picture a slice, numbered along the canonical axis.

    Raises:
        RejectedImageError: The file holds no volume, or none that can be shown.
    """
    try:
        stream = _unpacked(content)
        volume = _describe(stream.read(Nifti2Header.sizeof_hdr), config)
        values = _read_values(stream, volume)
    except (OSError, EOFError, zlib.error):
        raise RejectedImageError("truncated or damaged NIfTI") from None
    return _slices(values, volume, config)


@dataclass(frozen=True)
class _Volume:
    """What the header says of the first volume.

    Attributes:
        shape: Voxels along the three axes, as stored.
        dtype: Of a voxel.
        offset: Where the voxels begin in the unpacked file.
        slope: Factor of the stored values.
        inter: What is added to them then.
        turns: How the stored axes become canonical, as nibabel says it: float64 [3, 2].
        sizes: Voxel size along the canonical axes.
        unit: Millimetres in a unit of `sizes`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    turns: Values
    sizes: tuple[float, ...]
    unit: float


def _unpacked(content: bytes) -> BinaryIO:
    """Opens the file; what is packed is unpacked as far as it is read."""
    stream = io.BytesIO(content)
    packed = content[:2] == b"\x1f\x8b"
    return cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if packed else stream


def _describe(start: bytes, config: IngestConfig) -> _Volume:
    try:
        header = _header(start)
        shape = header.get_data_shape()
        dtype = header.get_data_dtype()
        offset = header.get_data_offset()
        slope, inter = header.get_slope_inter()
        affine = header.get_best_affine()
    except (HeaderDataError, WrapStructError, KeyError, OverflowError, ValueError):
        raise RejectedImageError("NIfTI with a damaged header") from None
    if not shape or min(shape) < 1:
        raise RejectedImageError("NIfTI without voxels")
    shape = (*shape, 1, 1)[:3]
    if math.prod(shape) > config.max_pixels:
        raise RejectedImageError(f"more voxels than the limit of {config.max_pixels:,}")
    if dtype.kind not in "iuf":
        raise RejectedImageError("NIfTI of voxels that are not single numbers")
    if not 0 <= offset <= config.max_file_bytes:
        raise RejectedImageError("NIfTI with a damaged header")
    turns, sizes = _orientation(affine)
    unit = _MILLIMETRES.get(int(header["xyzt_units"]) % 8, 1.0)
    return _Volume(shape, dtype, offset, slope or 1.0, inter or 0.0, turns, sizes, unit)


def _header(start: bytes) -> Any:
    kind = Nifti2Header if b"n+2" in start[:8] or b"ni2" in start[:8] else Nifti1Header
    header = kind(start[: kind.sizeof_hdr])
    if bytes(header["magic"]).startswith(b"ni"):
        raise RejectedImageError(
            "half of a NIfTI pair (.hdr and .img): convert the pair to one .nii file"
        )
    return header


def _orientation(affine: Values) -> tuple[Values, tuple[float, ...]]:
    if np.isfinite(affine).all():
        turns = io_orientation(affine)
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
        if np.isfinite(turns).all() and (sizes > 0).all():
            return turns, tuple(float(sizes[one]) for one in np.argsort(turns[:, 0]))
    raise RejectedImageError("NIfTI whose header gives voxels no size or no direction")


def _read_values(stream: BinaryIO, volume: _Volume) -> Values:
    """Returns the voxels along canonical axes, float [right, front, up]."""
    stream.seek(volume.offset)
    count = math.prod(volume.shape)
    content = stream.read(count * volume.dtype.itemsize)
    if len(content) < count * volume.dtype.itemsize:
        raise EOFError
    stream.read(1)  # where nothing more is packed, gzip looks at the checksum now
    stored = np.frombuffer(content, volume.dtype).reshape(volume.shape, order="F")
    with np.errstate(all="ignore"):
        values = as_float(stored) * volume.slope + volume.inter
    turned: Values = apply_orientation(values, volume.turns)
    return turned


def _slices(values: Values, volume: _Volume, config: IngestConfig) -> list[Picture]:
    axis = _PLANES[config.nifti.plane]
    planes = np.moveaxis(values, axis, 0)
    if min(planes.shape[1:]) < 2:
        raise RejectedImageError("NIfTI too thin for slices in the plane that is asked for")
    low, high = _range(values)
    columns, rows = (size for one, size in enumerate(volume.sizes) if one != axis)
    tags = TechnicalTags(
        plane=config.nifti.plane,
        pixel_spacing=round(min(rows, columns) * volume.unit, 4),
        slice_thickness=round(volume.sizes[axis] * volume.unit, 4),
    )
    pictures = []
    for index in _positions(len(planes), config.nifti):
        upright: Levels = to_levels(planes[index], low, high).T[::-1, ::-1]
        square = square_pixels(upright, rows, columns, config.max_pixels)
        pictures.append(Picture(square, frame=index, channels=1, tags=tags))
    return pictures


def _positions(extent: int, config: NiftiConfig) -> list[int]:
    shares = np.linspace(config.first, config.last, config.slices)
    return [int(index) for index in np.unique(np.round(shares * (extent - 1)).astype(np.intp))]


def _range(values: Values) -> tuple[float, float]:
    """Returns the values to show from black to white."""
    sample = values[np.isfinite(values) & (values != 0)]
    if not sample.size:
        raise RejectedImageError("NIfTI whose voxels are all zero or not numbers")
    low, high = (float(value) for value in np.percentile(sample, (1, 99.5)))
    return (low, high) if low < high else (min(low, 0.0), max(high, 0.0))
