"""The one thing that is read in EXIF: how a picture has to be turned to stand upright."""

import struct

import numpy as np

from imaging.picture import Values

UPRIGHT = 1

_ORIENTATION = 0x0112
_SHORT = 3


def orientation(exif: bytes) -> int:
    """Reads the orientation (CIPA DC-008, 4.6.4 A) in the first directory of EXIF data.

    Args:
        exif: A TIFF header and what follows it; nothing is expected of it.

    Returns:
        1 to 8, as the tag counts; 1 where it is missing or says anything else.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return UPRIGHT
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if start + 2 > len(exif):
        return UPRIGHT
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for position in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, position)
        if tag == _ORIENTATION:
            return value if kind == _SHORT and 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def turned(levels: Values, orientation: int) -> Values:
    """Turns a picture upright.

    Args:
        levels: Of any type, [height, width] or [height, width, 3].
        orientation: 1 to 8.

    Returns:
        The picture, its sides swapped from 5 on.
    """
    if orientation >= 5:  # the file's first row is one of the picture's sides
        levels = levels.swapaxes(0, 1)
    upside_down = orientation in (3, 4, 7, 8)
    mirrored = orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(levels[:: -1 if upside_down else 1, :: -1 if mirrored else 1])
