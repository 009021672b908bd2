"""PNG: its pixels, and the same file without all else that it says.

A PNG file is a row of chunks (ISO/IEC 15948). Those that pixels are made of stay as they are; text,
EXIF, colour profiles, times, frames of animations and what stands behind the end go.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import imagecodecs

from imaging import exif
from imaging.picture import (
    Picture,
    RejectedImageError,
    TechnicalTags,
    check_size,
    full_range,
    on_black,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type: grey, RGB, palette, grey with alpha, RGB with alpha."""
_INTERLACED = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""Adam7: first column and row, and steps to the next ones, of each pass."""
_DAMAGED = "damaged or truncated PNG"


@dataclass(frozen=True)
class _Header:
    columns: int
    rows: int
    bits: int
    colour: int
    interlaced: bool


def read_png(content: bytes, max_pixels: int) -> Picture:
    """Reads a PNG file (of an animated one, the still picture).

    What is transparent lies on black. Values of 16 bits are shown from the least to the greatest.

    Args:
        content: The file.
        max_pixels: The most pixels that it may have.

    Returns:
        The picture, upright. Its `encoded` is the file without metadata where it decodes to just
        these levels: not where it has 16 bits or an alpha channel, is interlaced or had to be
        turned.

    Raises:
        RejectedImageError: It is damaged, cut off or has more pixels.
    """
    header = _header(content)
    check_size(header.rows * header.columns, max_pixels)
    chunks = list(_chunks(content))
    stream = b"".join(data for kind, data in chunks if kind == b"IDAT")
    is_nothing_hidden = _check_data(stream, header)
    stripped = SIGNATURE + b"".join(_written(kind, data) for kind, data in chunks if kind in _KEPT)
    try:
        values = imagecodecs.png_decode(stripped)
    except (ValueError, RuntimeError):  # RuntimeError is its own class's base
        raise RejectedImageError(_DAMAGED) from None
    has_alpha = values.ndim == 3 and values.shape[2] in (2, 4)
    values = on_black(values) if has_alpha else values
    levels = full_range(values)
    turn = next((exif.orientation(data) for kind, data in chunks if kind == b"eXIf"), exif.UPRIGHT)
    is_plain = not (header.bits == 16 or has_alpha or header.interlaced or turn != exif.UPRIGHT)
    return Picture(
        levels=exif.turned(levels, turn),
        frame=0,
        channels=_SAMPLES[header.colour],
        tags=TechnicalTags(),
        encoded=stripped if is_plain and is_nothing_hidden else None,
        values=exif.turned(values, turn) if header.bits == 16 else None,
    )


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks up to the last one; of those that are used, the checksums hold."""
    position = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if position + 12 > len(content):
            raise RejectedImageError(_DAMAGED)
        length, kind = struct.unpack_from(">I4s", content, position)
        data = content[position + 8 : position + 8 + length]
        position += 12 + length
        if position > len(content):
            raise RejectedImageError(_DAMAGED)
        if kind in _KEPT or kind == b"eXIf":
            (checksum,) = struct.unpack_from(">I", content, position - 4)
            if zlib.crc32(kind + data) != checksum:
                raise RejectedImageError(_DAMAGED)
            yield kind, data


def _header(content: bytes) -> _Header:
    if content[12:16] != b"IHDR" or len(content) < 29:
        raise RejectedImageError(_DAMAGED)
    columns, rows, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", content, 16)
    if 0 in (columns, rows) or colour not in _SAMPLES or bits not in (1, 2, 4, 8, 16):
        raise RejectedImageError(_DAMAGED)
    return _Header(columns, rows, bits, colour, bool(interlaced))


def _check_data(stream: bytes, header: _Header) -> bool:
    """Refuses a stream that ends too early; tells whether nothing is hidden behind the pixels."""
    expected = _expected_bytes(header)
    inflater = zlib.decompressobj()
    try:
        found = len(inflater.decompress(stream, expected))
        more = inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error:
        raise RejectedImageError(_DAMAGED) from None
    if found < expected or not (inflater.eof or more):
        raise RejectedImageError(_DAMAGED)
    return not more and not inflater.unused_data


def _expected_bytes(header: _Header) -> int:
    passes = _INTERLACED if header.interlaced else ((0, 0, 1, 1),)
    total = 0
    for first_column, first_row, right, down in passes:
        columns = max(0, -(-(header.columns - first_column) // right))
        rows = max(0, -(-(header.rows - first_row) // down))
        if columns:
            total += rows * (1 + -(-columns * header.bits * _SAMPLES[header.colour] // 8))
    return total


def _written(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
