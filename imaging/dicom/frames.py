"""Where the compressed frames of a DICOM data set begin and end (PS3.5 A.4)."""

import io
import re
import struct
from itertools import accumulate, pairwise

from pydicom.encaps import generate_fragments, parse_basic_offsets

from imaging.picture import RejectedImageError

_START = re.compile(
    rb"\xff\xd8\xff|\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  |[\x01-\x0f]\x00{3}\x40\x00{3}"
)
"""What a frame begins with: JPEG, JPEG 2000, a JP2 file, run lengths."""
_NEXT = re.compile(rb"\xff\xd9\x00*(?=\xff\xd8\xff|\xff\x4f\xff\x51)")
"""Where one frame ends and another begins."""
_ITEM_HEADER = 8


def encoded_frames(
    pixel_data: bytes, count: int, extended: tuple[bytes, bytes] | None
) -> list[bytes]:
    """Splits encapsulated pixel data into frames.

    A frame may lie in several fragments. Offset tables may be missing or wrong: they are asked
    only where the fragments do not tell by themselves.

    Args:
        pixel_data: The value of the pixel data element.
        count: How many frames there are.
        extended: The extended offset table and its lengths, where there are any.

    Returns:
        As many frames as were asked for.

    Raises:
        RejectedImageError: There are fewer, or it cannot be told where they begin.
    """
    stream = io.BytesIO(pixel_data)
    basic = parse_basic_offsets(stream)
    fragments = list(generate_fragments(stream))
    if count == 1 and fragments:
        return [b"".join(fragments)]
    if count == len(fragments):
        return fragments
    begins = [index for index, one in enumerate(fragments) if _START.match(one)]
    if len(begins) == count and begins[0] == 0:
        return _joined(fragments, begins)
    positions = [0, *accumulate(len(one) + _ITEM_HEADER for one in fragments)]
    for offsets in (_unpacked(extended[0]) if extended else [], basic):
        if len(offsets) == count and set(offsets) <= set(positions[:-1]):
            begins = [positions.index(offset) for offset in offsets]
            if begins == sorted(set(begins)):
                return _joined(fragments, begins)
    content = b"".join(fragments)
    ends = [match.end() for match in _NEXT.finditer(content)]
    if len(ends) == count - 1:
        return [content[start:end] for start, end in pairwise([0, *ends, len(content)])]
    raise RejectedImageError(
        "DICOM with truncated, damaged or unsupported pixels: "
        "fewer or more compressed frames than it states"
    )


def _joined(fragments: list[bytes], begins: list[int]) -> list[bytes]:
    bounds = pairwise([*begins, len(fragments)])
    return [b"".join(fragments[start:end]) for start, end in bounds]


def _unpacked(table: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(table) // 8}Q", table[: len(table) // 8 * 8]))
