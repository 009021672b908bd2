"""JPEG: its pixels, and the same file without all else that it says.

A JPEG file is a row of segments (ISO/IEC 10918-1 B). Those that pixels are made of stay as they
are; EXIF, XMP, IPTC, colour profiles, thumbnails, comments and what stands behind the end go.
"""

import io
import struct
from collections.abc import Sequence

import numpy as np
import simplejpeg
from PIL import Image

from imaging import exif
from imaging.jpeg_segments import APP0, APP14, COM, EOI, SOI, SOS, Segment, read_segments
from imaging.picture import Levels, Picture, RejectedImageError, TechnicalTags, check_size

_SOF = {0xC0, 0xC1, 0xC2}
"""Frames that are baseline, extended or progressive, all in Huffman's coding."""
_OTHER_SOF = {*range(0xC3, 0xD0)} - {0xC4, 0xC8}
"""Lossless, hierarchical and arithmetically coded frames, and arithmetic conditioning."""
_TABLES = {0xC4, 0xDB, 0xDD}
"""Huffman tables, quantisation tables, the restart interval."""
_APP1 = 0xE1
_APPLICATIONS = range(0xE0, 0xF0)
_JFIF = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
"""The whole segment, without a thumbnail: that it is there says that colours are YCbCr."""
_ADOBE_BYTES = 12
_EXIF = b"Exif\0\0"
_COEFFICIENTS = 64
_DAMAGED = "damaged or truncated JPEG"


def read_jpeg(content: bytes, max_pixels: int) -> Picture:
    """Reads a JPEG file; what its decoder had to guess is not accepted.

    Args:
        content: The file.
        max_pixels: The most pixels that it may have.

    Returns:
        The picture, upright. Its `encoded` is the file without metadata, where the served graph
        decodes that: not where it has to be turned, is progressive or holds CMYK.

    Raises:
        RejectedImageError: It is damaged, cut off, of another kind, or has more pixels.
    """
    try:
        *segments, _end = read_segments(content)
        rows, columns, components = _checked(segments)
    except (struct.error, IndexError):
        raise RejectedImageError(_DAMAGED) from None
    check_size(rows * columns, max_pixels)
    kept = (
        _written(one.marker, payload) + _scan(content, one)
        for one in segments
        if (payload := _kept(one)) is not None
    )
    stripped = b"".join([SOI, *kept, EOI])
    exifs = (one.payload for one in segments if one.marker == _APP1)
    turns = (exif.orientation(one[len(_EXIF) :]) for one in exifs if one.startswith(_EXIF))
    turn = next(turns, exif.UPRIGHT)
    is_of_one_scan = sum(one.marker == SOS for one in segments) == 1
    is_plain = is_of_one_scan and components in (1, 3) and turn == exif.UPRIGHT
    return Picture(
        levels=exif.turned(_decode(stripped, components), turn),
        frame=0,
        channels=components,
        tags=TechnicalTags(),
        encoded=stripped if is_plain else None,
    )


def _checked(segments: Sequence[Segment]) -> tuple[int, int, int]:
    """Rows, columns and colour components of a picture that is whole."""
    frames = [one.payload for one in segments if one.marker in _SOF]
    scans = [one.payload for one in segments if one.marker == SOS]
    if len(frames) != 1:
        raise RejectedImageError(_DAMAGED)
    precision, rows, columns, components = struct.unpack_from(">BHHB", frames[0])
    if precision != 8:
        raise RejectedImageError("JPEG of more than 8 bits per sample")
    # A progressive file that lacks its last scans shows a picture, but not the one it was.
    if 0 in (rows, columns) or sum(map(_accurate, scans)) != _COEFFICIENTS * components:
        raise RejectedImageError(_DAMAGED)
    return rows, columns, components


def _kept(segment: Segment) -> bytes | None:
    """What stays of a segment's payload; None where nothing does."""
    marker, payload = segment.marker, segment.payload
    if marker in _SOF or marker in _TABLES or marker == SOS:
        return payload
    if marker == APP0:
        return _JFIF if payload.startswith(b"JFIF\0") and len(payload) >= len(_JFIF) else None
    if marker == APP14:
        is_adobe = payload.startswith(b"Adobe") and len(payload) >= _ADOBE_BYTES
        return payload[:_ADOBE_BYTES] if is_adobe else None
    if marker in _OTHER_SOF:
        raise RejectedImageError("JPEG that is lossless, hierarchical or arithmetically coded")
    if marker in _APPLICATIONS or marker == COM:
        return None
    raise RejectedImageError(_DAMAGED)


def _written(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _scan(content: bytes, segment: Segment) -> bytes:
    """The entropy-coded data behind a scan's header; nothing behind other segments."""
    return content[segment.end : segment.runs[-1][1]] if segment.runs else b""


def _accurate(scan: bytes) -> int:
    """How many coefficients, of all components, a scan's header brings to full accuracy."""
    components = scan[0]
    first, last, bits = scan[1 + 2 * components : 4 + 2 * components]
    return components * (last - first + 1) if bits & 0x0F == 0 else 0


def _decode(stripped: bytes, components: int) -> Levels:
    try:
        if components == 4:
            with Image.open(io.BytesIO(stripped), formats=["JPEG"]) as image:
                return np.asarray(image.convert("RGB"))
        if components not in (1, 3):
            raise RejectedImageError(f"JPEG of {components} colour components")
        # As exact as the standard asks for, which is what the served graph does too. By default
        # strict: what libjpeg warns of is an error.
        levels: Levels = simplejpeg.decode_jpeg(
            stripped,
            "GRAY" if components == 1 else "RGB",
            fastdct=False,
            fastupsample=False,
        )
    except (ValueError, OSError, SyntaxError):
        raise RejectedImageError(_DAMAGED) from None
    return levels[..., 0] if components == 1 else levels
