"""DICOM: the pictures of a data set, and the few of its elements that may be kept.

Only the elements named here are parsed at all. What pydicom says in a warning, a log line or an
exception may quote any of them, so none of it goes further.
"""

import hashlib
import hmac
import io
import logging
import math
import re
import struct
import zlib
from collections.abc import Iterable, MutableSequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    RLELossless,
)

from components.ingest.codestream import jpeg2000_size, jpeg_size, rle_fits
from components.ingest.config import IngestConfig
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

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_COLOURS = ("Red", "Green", "Blue")
_ELEMENTS = [
    *_PIXELS,
    # How the pixels are stored
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "PlanarConfiguration",
    "Rows",
    "SamplesPerPixel",
    # What they mean
    "ModalityLUTSequence",
    "PerFrameFunctionalGroupsSequence",
    "RescaleIntercept",
    "RescaleSlope",
    "SharedFunctionalGroupsSequence",
    "VOILUTFunction",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    *(f"{colour}PaletteColorLookupTableData" for colour in _COLOURS),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in _COLOURS),
    # What is kept, the patient's number as a hash
    "ImageOrientationPatient",
    "IssuerOfPatientID",
    "MagneticFieldStrength",
    "ManufacturerModelName",
    "Modality",
    "PatientID",
    "PixelSpacing",
    "SliceThickness",
]
_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
}
_EXPLICIT_PREFIX = b"".join(
    [bytes(128), b"DICM", struct.pack("<HH2sH", 2, 0x10, b"UI", 20), b"1.2.840.10008.1.2.1\0"]
)
"""The beginning of a file that is not deflated."""
_MODALITY = re.compile("[A-Z]{2,16}")
_MODEL = re.compile(r"[\w .,:+/()\[\]-]{1,64}")
_MOST_TESLA = 25
_DAMAGED = "DICOM with truncated, damaged or unsupported pixels"
_LEAST_LEVELS = 8
"""A window that leaves fewer grey levels than this shows nothing."""
_SAMPLE = 100_000
"""About how many pixels of a frame are looked at, at least, to choose a range of values."""


def read_dicom(content: bytes, config: IngestConfig, salt: bytes) -> list[Picture]:
    """Reads the pictures of a DICOM file (PS3.10, or a bare data set).

    Grey frames go through the modality and VOI transformations (PS3.3 C.11.1, C.11.2; the first
    window where there are several). Where there is no window, or one that shows next to nothing,
    the 1st to the 99th percentile of all frames is shown.

    Args:
        content: The file.
        config: Which frames, and the limits.
        salt: Key of the patient's hash; without one there is no hash.

    Returns:
        A picture a frame that was asked for.

    Raises:
        RejectedImageError: The file holds no picture, or none that can be shown.
    """
    dataset = _parse(content, config.max_file_bytes)
    layout = _layout(dataset)
    frames = _chosen(layout, config)
    stored = _decode(dataset, layout, frames)
    if layout.photometric == "PALETTE COLOR":
        levels = _palette_levels(dataset, stored)
    elif layout.samples == 1:
        levels = _grey_levels(dataset, layout, frames, stored)
    else:
        levels = [to_levels(values, 0, 2 ** min(layout.bits, 64) - 1) for values in stored]
    patient = _patient(dataset, salt)
    return [
        _picture(dataset, layout, frame, shown, patient, config.max_pixels)
        for frame, shown in zip(frames, levels, strict=True)
    ]


@dataclass(frozen=True)
class _Layout:
    rows: int
    columns: int
    samples: int
    frames: int
    bits: int
    photometric: str
    syntax: UID


def _parse(content: bytes, limit: int) -> Any:
    try:
        dataset = pydicom.dcmread(
            io.BytesIO(_inflated(content, limit)), force=True, specific_tags=_ELEMENTS
        )
        found = any(keyword in dataset for keyword in _PIXELS)
    except RejectedImageError:
        raise
    except Exception:  # noqa: BLE001 - hostile bytes raise anything, with a text that quotes them
        raise RejectedImageError("damaged DICOM") from None
    if not found:
        raise RejectedImageError("DICOM without pixel data, or cut off before it")
    return dataset


def _inflated(content: bytes, limit: int) -> bytes:
    """Unpacks a deflated file up to a limit; pydicom would unpack whatever there is."""
    stream = io.BytesIO(content)
    read_preamble(stream, force=True)
    meta = _read_file_meta_info(stream)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return content
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    dataset = inflater.decompress(stream.read(), limit)
    if inflater.unconsumed_tail:
        raise RejectedImageError(f"more bytes, once inflated, than the limit of {limit:,}")
    return _EXPLICIT_PREFIX + dataset


def _layout(dataset: Any) -> _Layout:
    photometric = str(_value(dataset, "PhotometricInterpretation")).strip()
    samples = _whole(dataset, "SamplesPerPixel", default=1)
    if _SAMPLES.get(photometric) != samples:
        raise RejectedImageError(
            "DICOM of a photometric interpretation that is unknown or does not fit its samples"
        )
    rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise RejectedImageError("DICOM that does not say how many rows and columns it has")
    return _Layout(
        rows=rows,
        columns=columns,
        samples=samples,
        frames=max(_whole(dataset, "NumberOfFrames"), 1),
        bits=_whole(dataset, "BitsStored"),
        photometric=photometric,
        syntax=_transfer_syntax(dataset),
    )


def _transfer_syntax(dataset: Any) -> UID:
    """Returns how the data set is encoded, and states it where a bare data set does not."""
    meta = dataset.file_meta
    named = _value(meta, "TransferSyntaxUID")
    if not named:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        named = meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return UID(str(named))


def _chosen(layout: _Layout, config: IngestConfig) -> list[int]:
    each = layout.rows * layout.columns
    if each > config.max_pixels:
        raise RejectedImageError(f"more pixels than the limit of {config.max_pixels:,}")
    if config.dicom.frames == "middle":
        return [layout.frames // 2]
    if each * layout.frames > config.max_pixels:
        raise RejectedImageError(
            f"more pixels in all frames together than the limit of {config.max_pixels:,}"
        )
    return list(range(layout.frames))


def _decode(dataset: Any, layout: _Layout, frames: list[int]) -> list[Values]:
    """Returns the stored values of frames, [rows, columns] or, converted to RGB, [..., 3]."""
    try:
        decoder = get_decoder(layout.syntax)
    except Exception:  # noqa: BLE001 - as above
        raise RejectedImageError("DICOM of an unsupported transfer syntax") from None
    if not decoder.is_available:
        raise RejectedImageError(
            "reading this kind of compressed DICOM needs the package pylibjpeg: "
            "pip install 'brain-mri-pipeline[dicom]'"
        )
    try:
        if layout.syntax.is_encapsulated:
            _check_codestreams(dataset, layout)
        # The other decoder of run lengths, in Rust, panics on damaged ones.
        options = {"decoding_plugin": "pydicom"} if layout.syntax == RLELossless else {}
        if len(frames) == layout.frames:
            decoded = list(islice(decoder.iter_array(dataset, **options), layout.frames))
        else:
            decoded = [decoder.as_array(dataset, index=frame, **options) for frame in frames]
    except RejectedImageError:
        raise
    except Exception:  # noqa: BLE001 - as above
        raise RejectedImageError(_DAMAGED) from None
    if len(decoded) < len(frames):
        raise RejectedImageError(_DAMAGED)
    return [values for values, _ in decoded]


def _check_codestreams(dataset: Any, layout: _Layout) -> None:
    expected = (layout.rows, layout.columns, layout.samples)
    encoded = generate_frames(dataset.PixelData, number_of_frames=layout.frames)
    for codestream in islice(encoded, layout.frames):
        if layout.syntax == RLELossless:
            fits = rle_fits(codestream, layout.rows * layout.columns)
        elif layout.syntax in JPEG2000TransferSyntaxes:
            fits = jpeg2000_size(codestream) == expected
        else:
            fits = jpeg_size(codestream) == expected
        if not fits:
            raise RejectedImageError(
                "DICOM with a compressed frame that is truncated or not of the size it should have"
            )


def _grey_levels(
    dataset: Any, layout: _Layout, frames: list[int], stored: list[Values]
) -> list[Levels]:
    numbered = list(zip(frames, stored, strict=True))
    shown = [_presented(dataset, frame, _meant(dataset, frame, raw)) for frame, raw in numbered]
    levels = [one for one in shown if one is not None]
    if len(levels) < len(shown) or _levels_in_use(levels) < _LEAST_LEVELS:
        low, high = _range(_meant(dataset, frame, raw) for frame, raw in numbered)
        levels = [to_levels(_meant(dataset, frame, raw), low, high) for frame, raw in numbered]
    return [255 - one for one in levels] if layout.photometric == "MONOCHROME1" else levels


def _meant(dataset: Any, frame: int, stored: Values) -> Values:
    """The modality transformation: stored values become what they stand for."""
    table = _table(dataset, _item(dataset, "ModalityLUTSequence"), "LUT")
    if table:
        return as_float(table.look_up(stored))
    pair = [
        _number(_functional(dataset, frame, "PixelValueTransformationSequence", keyword))
        for keyword in ("RescaleSlope", "RescaleIntercept")
    ]
    with np.errstate(all="ignore"):
        return as_float(stored) * (pair[0] or 1.0) + (pair[1] or 0.0)


def _presented(dataset: Any, frame: int, values: Values) -> Levels | None:
    """The VOI transformation; None where the file describes none."""
    table = _table(dataset, _item(dataset, "VOILUTSequence"), "LUT")
    if table:
        return to_levels(table.look_up(values), 0, table.full)
    center, width = (
        _number(_functional(dataset, frame, "FrameVOILUTSequence", keyword))
        for keyword in ("WindowCenter", "WindowWidth")
    )
    if center is None or width is None or width <= 0:
        return None
    function = _functional(dataset, frame, "FrameVOILUTSequence", "VOILUTFunction")
    if function == "SIGMOID":
        with np.errstate(all="ignore"):
            return to_levels(1 / (1 + np.exp(-4 * (values - center) / width)), 0, 1)
    if function != "LINEAR_EXACT":
        center, width = center - 0.5, width - 1
    return to_levels(values, center - width / 2, center + width / 2)


def _levels_in_use(levels: list[Levels]) -> int:
    counts = sum(np.bincount(one.ravel(), minlength=256) for one in levels)
    return int(np.count_nonzero(counts))


def _range(frames: Iterable[Values]) -> tuple[float, float]:
    """Returns the values to show from black to white."""
    samples = [values.ravel()[:: max(1, values.size // _SAMPLE)] for values in frames]
    sample = np.concatenate([one[np.isfinite(one)] for one in samples])
    if not sample.size:
        raise RejectedImageError("DICOM whose pixels are not numbers")
    low, high = (float(value) for value in np.percentile(sample, (1, 99)))
    return (low, high) if low < high else (float(sample.min()), float(sample.max()))


def _palette_levels(dataset: Any, stored: list[Values]) -> list[Levels]:
    tables = [_table(dataset, dataset, f"{colour}PaletteColorLookupTable") for colour in _COLOURS]
    palette = [table for table in tables if table]
    if len(palette) < len(_COLOURS):
        raise RejectedImageError("DICOM with a palette that is missing, damaged or segmented")
    return [
        np.stack([to_levels(one.look_up(values), 0, one.full) for one in palette], axis=-1)
        for values in stored
    ]


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
    described = _numbers(_value(owner, f"{name}Descriptor"))
    data = _value(owner, f"{name}Data")
    if len(described) != 3 or data is None:
        return None
    count, first, bits = int(described[0]) or 2**16, described[1], int(described[2])
    if isinstance(data, bytes):
        order = "<" if dataset.original_encoding[1] else ">"
        wide = len(data) >= 2 * count
        entries = np.frombuffer(data, f"{order}u2" if wide else "u1", len(data) // (1 + wide))
    else:
        entries = np.asarray(_numbers(data))
    if count < 1 or not 8 <= bits <= 16 or not entries.size:
        return None
    return _Table(entries[:count], first, 2**bits - 1)


def _picture(
    dataset: Any, layout: _Layout, frame: int, levels: Levels, patient: str | None, limit: int
) -> Picture:
    spacing = _numbers(_functional(dataset, frame, "PixelMeasuresSequence", "PixelSpacing"))
    known = len(spacing) == 2 and all(map(_is_length, spacing))
    rows, columns = spacing if known else (1.0, 1.0)
    thickness = _number(_functional(dataset, frame, "PixelMeasuresSequence", "SliceThickness"))
    field = _number(_value(dataset, "MagneticFieldStrength"))
    return Picture(
        levels=square_pixels(levels, rows, columns, limit),
        frame=frame,
        channels=layout.samples,
        tags=TechnicalTags(
            modality=_text(_value(dataset, "Modality"), _MODALITY),
            plane=_plane(dataset, frame),
            pixel_spacing=round(min(rows, columns), 4) if known else None,
            slice_thickness=round(thickness, 4) if thickness and _is_length(thickness) else None,
            field_strength=round(field, 4) if field and 0 < field < _MOST_TESLA else None,
            manufacturer_model=_text(_value(dataset, "ManufacturerModelName"), _MODEL),
            patient=patient,
        ),
    )


def _is_length(millimetres: float) -> bool:
    return 1e-3 < millimetres < 1e3


def _text(value: Any, pattern: re.Pattern[str]) -> str | None:
    text = str(value).strip() if value else ""
    return text if pattern.fullmatch(text) else None


def _plane(dataset: Any, frame: int) -> str | None:
    """The plane nearest to the image's (PS3.3 C.7.6.2.1.1): x to the left, y back, z up."""
    cosines = _numbers(
        _functional(dataset, frame, "PlaneOrientationSequence", "ImageOrientationPatient")
    )
    if len(cosines) != 6:
        return None
    normal = np.abs(np.cross(cosines[:3], cosines[3:]))
    return ("sagittal", "coronal", "axial")[int(normal.argmax())] if normal.max() > 0.5 else None


def _patient(dataset: Any, salt: bytes) -> str | None:
    number, issuer = (
        str(_value(dataset, keyword) or "").strip()
        for keyword in ("PatientID", "IssuerOfPatientID")
    )
    if not number or not salt:
        return None
    message = f"{number}\0{issuer}".encode(errors="backslashreplace")
    return hmac.new(salt, message, hashlib.sha256).hexdigest()[:32]


def _functional(dataset: Any, frame: int, sequence: str, keyword: str) -> Any:
    """Looks an element up for a frame: its own group, the shared one, the data set itself."""
    groups = (
        _item(dataset, "PerFrameFunctionalGroupsSequence", frame),
        _item(dataset, "SharedFunctionalGroupsSequence"),
    )
    owners = [*(_item(group, sequence) for group in groups), dataset]
    return next((v for owner in owners if (v := _value(owner, keyword)) is not None), None)


def _item(owner: Any, sequence: str, index: int = 0) -> Any:
    items = _value(owner, sequence)
    try:
        return items[index]
    except (IndexError, TypeError):
        return None


def _value(owner: Any, keyword: str) -> Any:
    """An element's value; None also where it cannot be understood."""
    try:
        return None if owner is None else owner.get(keyword)
    except Exception:  # noqa: BLE001 - as above
        return None


def _numbers(value: Any) -> list[float]:
    """The finite numbers of an element; none where one of them is not."""
    try:
        numbers = [float(one) for one in (value if isinstance(value, MutableSequence) else [value])]
    except (TypeError, ValueError):
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _number(value: Any) -> float | None:
    return next(iter(_numbers(value)), None)


def _whole(dataset: Any, keyword: str, default: int = 0) -> int:
    number = _number(_value(dataset, keyword))
    return default if number is None else int(number)
