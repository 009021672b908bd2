"""DICOM: the pictures of a data set, and the few of its elements that may be kept.

Only the elements named here are parsed at all. What pydicom says in a warning, a log line or an
exception may quote any of them, so none of it goes further.
"""

import io
import logging
import re
import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pydicom
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from imaging.config import ReadConfig
from imaging.dicom import kinds
from imaging.dicom.codecs import stored_values
from imaging.dicom.elements import functional, number, numbers, value, words
from imaging.dicom.grey import COLOURS, grey_levels, palette_levels
from imaging.dicom.layout import Layout, read_layout
from imaging.dicom.patient import ELEMENTS as _IDENTIFYING
from imaging.dicom.patient import identify
from imaging.identity import Identity
from imaging.picture import (
    Levels,
    Picture,
    RejectedImageError,
    TechnicalTags,
    check_frame,
    check_size,
    square_pixels,
    to_levels,
)

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_PADDINGS = ("PixelPadding", "FloatPixelPadding", "DoubleFloatPixelPadding")
_ELEMENTS = [
    *_PIXELS,
    # What kind of object it is
    *kinds.ELEMENTS,
    # How the pixels are stored
    "BitsStored",
    "Columns",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "HighBit",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "PlanarConfiguration",
    "Rows",
    "SamplesPerPixel",
    # What they mean
    "ModalityLUTSequence",
    "PresentationLUTSequence",
    "PresentationLUTShape",
    "RescaleIntercept",
    "RescaleSlope",
    "VOILUTFunction",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    *(f"{padding}{end}" for padding in _PADDINGS for end in ("Value", "RangeLimit")),
    *(f"{colour}PaletteColorLookupTableData" for colour in COLOURS),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in COLOURS),
    "BurnedInAnnotation",
    # What is kept, numbers of patients and studies as hashes
    *_IDENTIFYING,
    "ImageOrientationPatient",
    "MagneticFieldStrength",
    "ManufacturerModelName",
    "PixelSpacing",
    "SliceThickness",
]
_EXPLICIT_PREFIX = b"".join(
    [bytes(128), b"DICM", struct.pack("<HH2sH", 2, 0x10, b"UI", 20), b"1.2.840.10008.1.2.1\0"]
)
"""The beginning of a file that is not deflated."""
_MODALITY = re.compile("[A-Z]{2,16}")
_MODEL = re.compile(r"[\w .,:+/()\[\]-]{1,64}")
_MOST_TESLA = 25


def read_dicom(
    content: bytes, config: ReadConfig, salt: bytes, frame: int | None = None
) -> list[Picture]:
    """Reads the pictures of a DICOM file (PS3.10, or a bare data set).

    Grey frames go through the modality, VOI and presentation transformations (PS3.3 C.11; the first
    window where there are several). Where there is no window, or one that shows next to nothing,
    the 1st to the 99th percentile of all frames is shown.

    Args:
        content: The file.
        config: Which modalities and frames, and the limits.
        salt: Key of the hashes of numbers; without one there are none.
        frame: Only this frame, whatever the configuration says.

    Returns:
        A picture a frame that was asked for; a frame that is a localizer gives none.

    Raises:
        RejectedImageError: The file holds no picture of an examination, or none that can be shown.
    """
    dataset = _parse(content, config.max_file_bytes)
    kinds.check_examination(dataset, config.dicom.modalities)
    if not any(keyword in dataset for keyword in _PIXELS):
        raise RejectedImageError("DICOM without pixel data, or truncated before it")
    burnt_in = "YES" in words(value(dataset, "BurnedInAnnotation"))
    if burnt_in and config.outside == "keep":
        raise RejectedImageError(
            "DICOM that says that text is burnt into it (BurnedInAnnotation): with "
            "ingest.outside=black what lies outside the head becomes black"
        )
    layout = read_layout(dataset)
    frames = kinds.examined(dataset, _chosen(layout, config, frame))
    stored = stored_values(dataset, layout, frames)
    if layout.photometric == "PALETTE COLOR":
        levels = palette_levels(dataset, layout, stored)
    elif layout.samples == 1:
        levels = grey_levels(dataset, layout, frames, stored)
    else:
        levels = [to_levels(values, 0, 2 ** min(layout.bits, 64) - 1) for values in stored]
    identity = identify(dataset, salt, linked=config.dicom.patient_ids == "link")
    return [
        replace(
            _picture(dataset, layout, frame, shown, identity, config.max_pixels), burnt_in=burnt_in
        )
        for frame, shown in zip(frames, levels, strict=True)
    ]


def _parse(content: bytes, limit: int) -> Any:
    try:
        return pydicom.dcmread(
            io.BytesIO(_inflated(content, limit)), force=True, specific_tags=_ELEMENTS
        )
    except (RejectedImageError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - hostile bytes raise anything, with a text that quotes them
        raise RejectedImageError("damaged DICOM") from None


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


def _chosen(layout: Layout, config: ReadConfig, frame: int | None) -> list[int]:
    each = layout.rows * layout.columns
    check_size(each, config.max_pixels)
    check_frame(frame, layout.frames)
    if frame is not None:
        return [frame]
    if config.dicom.frames == "middle":
        return [layout.frames // 2]
    if each * layout.frames > config.max_pixels:
        raise RejectedImageError(
            f"more pixels in all frames together than the limit of {config.max_pixels:,}"
        )
    return list(range(layout.frames))


def _picture(
    dataset: Any, layout: Layout, frame: int, levels: Levels, identity: Identity, limit: int
) -> Picture:
    spacing = numbers(functional(dataset, frame, "PixelMeasuresSequence", "PixelSpacing"))
    known = len(spacing) == 2 and all(map(_is_length, spacing))
    rows, columns = spacing if known else (1.0, 1.0)
    thickness = number(functional(dataset, frame, "PixelMeasuresSequence", "SliceThickness"))
    field = number(value(dataset, "MagneticFieldStrength"))
    return Picture(
        levels=square_pixels(levels, rows, columns, limit),
        frame=frame,
        frames=layout.frames,
        channels=layout.samples,
        tags=TechnicalTags(
            modality=_text(value(dataset, "Modality"), _MODALITY),
            plane=_plane(dataset, frame),
            pixel_spacing=round(min(rows, columns), 4) if known else None,
            slice_thickness=round(thickness, 4) if thickness and _is_length(thickness) else None,
            field_strength=round(field, 4) if field and 0 < field < _MOST_TESLA else None,
            manufacturer_model=_text(value(dataset, "ManufacturerModelName"), _MODEL),
            patient=identity.patient,
        ),
        identity=identity,
    )


def _is_length(millimetres: float) -> bool:
    return 1e-3 < millimetres < 1e3


def _text(said: Any, pattern: re.Pattern[str]) -> str | None:
    text = str(said).strip() if said else ""
    return text if pattern.fullmatch(text) else None


def _plane(dataset: Any, frame: int) -> str | None:
    """The plane nearest to the image's (PS3.3 C.7.6.2.1.1): x to the left, y back, z up."""
    cosines = numbers(
        functional(dataset, frame, "PlaneOrientationSequence", "ImageOrientationPatient")
    )
    if len(cosines) != 6:
        return None
    normal = np.abs(np.cross(cosines[:3], cosines[3:]))
    return ("sagittal", "coronal", "axial")[int(normal.argmax())] if normal.max() > 0.5 else None
