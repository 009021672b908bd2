"""The head in a training image, as far as what is drawn needs it."""

from typing import Any

import numpy as np

from components.transform.head import LEVEL_ENDS
from imaging.head import WHOLE, Grey, Mask, Pixels, find_head

_LEAST = 0.05
"""Share of the picture that a head takes up at least; what is smaller shows nothing."""


def head_mask(pixels: Pixels) -> Mask | None:
    """Finds the head.

    Args:
        pixels: uint8, [height, width] or RGB [height, width, 3].

    Returns:
        bool [height, width]; None if nothing stands out, too little, or something of one level.
    """
    head = find_head(pixels)
    if head is WHOLE:
        return None
    mask = head.mask(*pixels.shape[:2])
    return mask if mask.mean() >= _LEAST and np.ptp(pixels[mask]) > 0 else None


def grey_levels(pixels: np.ndarray[Any, np.dtype[Any]]) -> Grey:
    """The mean of the colours, float32 [height, width], of [height, width, 3]."""
    found: Grey = pixels.mean(axis=2, dtype=np.float32)
    return found


def normalised(grey: Grey, mask: Mask) -> Grey:
    """Stretches the levels within the head to the whole range.

    Args:
        grey: float32 [height, width].
        mask: bool [height, width], of the head.

    Returns:
        float32 [height, width] in 0..255, black outside the head; a head of one level keeps it.
    """
    black, white = np.quantile(grey[mask], LEVEL_ENDS).astype(np.float32)
    if white > black:
        grey = np.clip((grey - black) * (255 / (white - black)), 0, 255)
    found: Grey = np.where(mask, grey, np.float32(0))
    return found
