"""DICOM: the pictures of a data set, and the few of its elements that may be kept.

Only the elements named here are parsed at all. What pydicom says in a warning, a log line or an
exception may quote any of them, so none of it goes further.
"""

import io
import logging
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pydicom
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from imaging.config import ReadConfig
from imaging.dicom import kinds
from imaging.dicom.codecs import StoredFrames
from imaging.dicom.elements import functional, number, numbers, value, words
from imaging.dicom.grey import COLOURS, GreyFrames, PaletteFrames
from imaging.dicom.layout import Layout, read_layout
from imaging.dicom.patient import ELEMENTS as _IDENTIFYING
from imaging.dicom.patient import identify
from imaging.dicom.place import plane
from imaging.dicom.viewing import ELEMENTS as _VIEWED
from imaging.dicom.viewing import DicomViewer
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
from imaging.pictures import Pictures

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
    # What is said beside the picture, of a closed list of words
    *_VIEWED,
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
_MOST_FRAMES = 100_000
"""That a file may claim; the longest examinations have some thousands."""


def read_dicom(
    content: bytes, config: ReadConfig, salt: bytes, frame: int | None = None
) -> Pictures:
    """Opens the pictures of a DICOM file (PS3.10, or a bare data set).

    Grey frames go through the modality, VOI and presentation transformations (PS3.3 C.11; the first
    window where there are several). Where there is no window, or one that shows next to nothing,
    the 1st to the 99th percentile of all frames is shown.

    Args:
        content: The file.
        config: Which modalities and frames, and the limits.
        salt: Key of the hashes of numbers; without one there are none.
        frame: Only this frame, whatever the configuration says.

    Returns:
        The frames that were asked for, without those that are localizers.

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
    pixels = layout.rows * layout.columns
    check_size(pixels, config.max_pixels)
    check_frame(frame, layout.frames)
    if layout.frames > _MOST_FRAMES:
        raise RejectedImageError(f"more frames than the limit of {_MOST_FRAMES:,}")
    # All have a say in how one of them is shown, whichever is asked for.
    every = kinds.examined(dataset, list(range(layout.frames)))
    numbers = kinds.examined(dataset, _chosen(layout, config, frame))
    grey, show = _shown(dataset, layout, every)
    identity = identify(dataset, salt, linked=config.dicom.patient_ids == "link")

    def make(number: int) -> Picture:
        found = _picture(dataset, layout, number, show(number), identity, config.max_pixels)
        return replace(found, burnt_in=burnt_in)

    lies, modality = plane(dataset, numbers[0]), _text(value(dataset, "Modality"), _MODALITY)
    viewer = DicomViewer(dataset, layout, grey, show, plane=lies, modality=modality)
    return Pictures(layout.frames, numbers, make, pixels, lambda: viewer)


def _shown(
    dataset: Any, layout: Layout, frames: list[int]
) -> tuple[GreyFrames | None, Callable[[int], Levels]]:
    """Grey frames, if they are grey, and what shows a frame of a number."""
    stored = StoredFrames(dataset, layout).values
    if layout.photometric == "PALETTE COLOR":
        return None, PaletteFrames(dataset, layout, stored).levels
    if layout.samples == 1:
        grey = GreyFrames(dataset, layout, frames, stored)
        return grey, grey.levels
    full = 2 ** min(layout.bits, 64) - 1
    return None, lambda frame: to_levels(stored(frame), 0, full)


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
    if frame is not None:
        return [frame]
    if config.dicom.frames == "middle":
        return [layout.frames // 2]
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
            plane=plane(dataset, frame),
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
