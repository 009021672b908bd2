"""The segments that JPEG and JPEG-LS images are rows of (ISO/IEC 10918-1 B.1, 14495-1 C.1)."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
"""Start and end of an image."""
SOS, APP0, APP14, COM = 0xDA, 0xE0, 0xEE, 0xFE
"""Markers of a scan, of JFIF's and Adobe's segments, and of a comment."""
JPEG_LS = 0xF7
"""The marker of a JPEG-LS frame, beside those of JPEG."""
START_OF_FRAME = {*range(0xC0, 0xD0), JPEG_LS} - {0xC4, 0xC8, 0xCC}

_UNEXPECTED = {0x01, *range(0xD0, 0xDA), 0xDE}
"""Between segments: what has no length, or a hierarchy of frames."""
_SCAN_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_SCAN_END_LS = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")
"""In entropy-coded data: a marker that is neither a stuffed byte (or bit) nor a restart."""
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_MOST_SCANS = 100
"""A decoder goes over all pixels once a scan."""


@dataclass(frozen=True)
class Segment:
    """A piece of an image.

    Attributes:
        marker: What it is.
        payload: What it says.
        start: Where it starts.
        end: Where its payload ends.
        runs: Where the runs of entropy-coded data behind a scan's header lie, from and to, each up
            to a restart or the end of the scan.
    """

    marker: int
    payload: bytes
    start: int
    end: int
    runs: tuple[tuple[int, int], ...] = ()


def read_segments(encoded: bytes) -> Iterator[Segment]:
    """Goes through the segments of a whole image, its end included.

    Args:
        encoded: The image; what stands behind its end does not matter.

    Yields:
        The segments.

    Raises:
        IndexError: It is cut off.
        struct.error: It is cut off, or what is there is not a segment, or of a hierarchy of frames.
    """
    position, scans = len(SOI), 0
    scan_end: re.Pattern[bytes] | None = None
    if not encoded.startswith(SOI):
        raise struct.error
    while True:
        start = position
        while encoded[position] == 0xFF:  # any number of them may stand before a marker
            position += 1
        marker, body = encoded[position], position + 3
        if marker == EOI[1] and scans:
            yield Segment(marker, b"", start, position + 1)
            return
        if position == start or marker in _UNEXPECTED:
            raise struct.error
        (length,) = struct.unpack_from(">H", encoded, position + 1)
        position += 1 + length
        if position < body or position > len(encoded):
            raise struct.error
        if marker in START_OF_FRAME:
            scan_end = _SCAN_END_LS if marker == JPEG_LS else _SCAN_END
        if marker != SOS:
            yield Segment(marker, encoded[body:position], start, position)
            continue
        scans += 1
        found = scan_end.search(encoded, position) if scan_end else None
        if found is None or scans > _MOST_SCANS:
            raise struct.error
        runs = _runs(encoded, position, found.start())
        yield Segment(marker, encoded[body:position], start, position, runs)
        position = found.start()


def _runs(encoded: bytes, start: int, end: int) -> tuple[tuple[int, int], ...]:
    runs = []
    for restart in _RESTART.finditer(encoded, start, end):
        runs.append((start, restart.start()))
        start = restart.end()
    return (*runs, (start, end))
