"""What a compressed frame says of itself, read before a decoder sets memory aside for it.

A data set may promise 64 x 64 pixels and hold a frame that unpacks to gigabytes.
"""

import struct
from dataclasses import dataclass

from imaging.jpeg_segments import APP0, APP14, COM, START_OF_FRAME, read_segments

LOSSLESS = 0xC3
_REMARKS = {*range(APP0, 0xF0), COM}
_TRANSFORM = 11
"""Where an Adobe segment says how colours were transformed."""
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_JPEG2000_START = b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class Jpeg:
    """What the segments of a whole JPEG or JPEG-LS image say.

    Attributes:
        coding: The marker that its frame starts with.
        precision: Bits a sample.
        rows: Height in pixels.
        columns: Width in pixels.
        ids: What its components are called.
        is_jfif: Whether a JFIF segment says that colours are YCbCr.
        transform: The colour transform of an Adobe segment: 0 for none, 1 for YCbCr.
        remarks: Where segments lie that pixels are not made of, from and to.
        runs: Where runs of entropy-coded data lie, from and to, each up to a restart or the end of
            its scan.
        end: Where the image ends.
    """

    coding: int
    precision: int
    rows: int
    columns: int
    ids: tuple[int, ...]
    is_jfif: bool
    transform: int | None
    remarks: tuple[tuple[int, int], ...]
    runs: tuple[tuple[int, int], ...]
    end: int


def read_jpeg(encoded: bytes) -> Jpeg | None:
    """Goes through the segments of a JPEG or JPEG-LS image (ISO/IEC 10918-1 B.2, 14495-1 C.2).

    Args:
        encoded: The image; what stands behind its end does not matter.

    Returns:
        What they say; None where the image has no end or no header, or is hierarchical.
    """
    try:
        return _read_jpeg(encoded)
    except (struct.error, IndexError):
        return None


def _read_jpeg(encoded: bytes) -> Jpeg | None:
    frame: tuple[int, int, int, int, tuple[int, ...]] | None = None
    is_jfif, transform = False, None
    remarks: list[tuple[int, int]] = []
    runs: list[tuple[int, int]] = []
    end = 0
    for one in read_segments(encoded):
        payload, end = one.payload, one.end
        if one.marker in START_OF_FRAME:
            if frame:
                return None
            precision, rows, columns, components = struct.unpack_from(">BHHB", payload)
            ids = tuple(payload[6 : 6 + 3 * components : 3])
            frame = (one.marker, precision, rows, columns, ids)
        elif one.marker in _REMARKS:
            remarks.append((one.start, one.end))
            is_jfif |= one.marker == APP0 and payload.startswith(b"JFIF\0")
            if one.marker == APP14 and payload.startswith(b"Adobe") and len(payload) > _TRANSFORM:
                transform = payload[_TRANSFORM]
        runs += one.runs
    return Jpeg(*frame, is_jfif, transform, tuple(remarks), tuple(runs), end) if frame else None


def is_jpeg2000(encoded: bytes) -> bool:
    """Tells JPEG 2000, bare or in a JP2 file, by its first bytes.

    Args:
        encoded: An image.

    Returns:
        Whether it is one.
    """
    return encoded.startswith((_JP2_SIGNATURE, _JPEG2000_START))


def jpeg2000_size(encoded: bytes) -> tuple[int, int, int, int] | None:
    """Reads the size of a JPEG 2000 image (ISO/IEC 15444-1 A.5.1), bare or in a JP2 file.

    Args:
        encoded: The image.

    Returns:
        Rows, columns, components and the bits of the first one; None where it has no such header.
    """
    start = 0
    if encoded.startswith(_JP2_SIGNATURE):
        while encoded[start + 4 : start + 8] != b"jp2c":
            length = int.from_bytes(encoded[start : start + 4], "big")
            if length < 8 or start + length >= len(encoded):
                return None
            start += length
        start += 8
    if encoded[start : start + 4] != _JPEG2000_START or len(encoded) < start + 43:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", encoded, start + 8)
    components, depth = struct.unpack_from(">HB", encoded, start + 40)
    return bottom - top, right - left, components, (depth & 0x7F) + 1
