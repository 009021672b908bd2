"""What a compressed frame says of itself, read before a decoder sets memory aside for it.

A data set may promise 64 x 64 pixels and hold a frame that unpacks to gigabytes.
"""

import struct
from itertools import pairwise

_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_UNEXPECTED = {0x01, *range(0xD0, 0xDB), 0xDE}
"""Before a frame's header: what has no length, a scan, a hierarchy of frames."""
_END_OF_IMAGE = b"\xff\xd9"
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_RLE_HEADER = 64


def jpeg_size(encoded: bytes) -> tuple[int, int, int] | None:
    """Reads the size of a whole JPEG or JPEG-LS image (ISO/IEC 10918-1 B.2, 14495-1 C.2).

    Args:
        encoded: The image.

    Returns:
        Rows, columns and components; None where the image has no end or no header, or is
        hierarchical.
    """
    # The entropy-coded part never holds this marker; a padding byte or two may follow it.
    if encoded[:2] != b"\xff\xd8" or _END_OF_IMAGE not in encoded[-16:]:
        return None
    position = 2
    while position + 10 <= len(encoded) and encoded[position] == 0xFF:
        marker = encoded[position + 1]
        if marker in _START_OF_FRAME:
            rows, columns, components = struct.unpack_from(">HHB", encoded, position + 5)
            return rows, columns, components
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker in _UNEXPECTED:
            return None
        position += 2 + int.from_bytes(encoded[position + 2 : position + 4], "big")
    return None


def jpeg2000_size(encoded: bytes) -> tuple[int, int, int] | None:
    """Reads the size of a JPEG 2000 image (ISO/IEC 15444-1 A.5.1), bare or in a JP2 file.

    Args:
        encoded: The image.

    Returns:
        Rows, columns and components; None where it has no such header.
    """
    start = 0
    if encoded.startswith(_JP2_SIGNATURE):
        while encoded[start + 4 : start + 8] != b"jp2c":
            length = int.from_bytes(encoded[start : start + 4], "big")
            if length < 8 or start + length >= len(encoded):
                return None
            start += length
        start += 8
    if encoded[start : start + 4] != b"\xff\x4f\xff\x51" or len(encoded) < start + 42:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", encoded, start + 8)
    (components,) = struct.unpack_from(">H", encoded, start + 40)
    return bottom - top, right - left, components


def rle_fits(encoded: bytes, size: int) -> bool:
    """Tells whether no segment of an RLE frame (PS3.5 G) unpacks to far more than it should.

    Args:
        encoded: The frame.
        size: Bytes that a segment should hold: rows times columns.

    Returns:
        False also where there is no header.
    """
    if len(encoded) < _RLE_HEADER:
        return False
    count, *offsets = struct.unpack_from("<16I", encoded)
    bounds = [*offsets[:count], len(encoded)]
    return all(_fits(encoded[start:end], size) for start, end in pairwise(bounds))


def _fits(segment: bytes, size: int) -> bool:
    position = unpacked = 0
    most = 2 * size + 256  # padding unpacks to a little, and the decoder counts exactly
    while position < len(segment) and unpacked <= most:
        control = segment[position]
        if control < 128:  # that many bytes and one follow as they are
            unpacked += control + 1
            position += control + 2
        elif control > 128:  # the next byte is repeated
            unpacked += 257 - control
            position += 2
        else:
            position += 1
    return unpacked <= most
