"""Where the model looked, as a picture to lay over the image."""

import io

import numpy as np
from PIL import Image

from imaging.head import Outline
from serving.client import Explanation

_SIDE = 224
"""Pixels of the heat's picture, as many as the model sees."""
_FINE = 2
"""Parts of a pixel, along each side, by which the head's edge is smooth where it is enlarged."""
_LEVELS = 64
"""Steps of its colours: the eye sees none, and its file has some kilobytes."""
_OPACITY = 0.75
"""Of the colour where heat is greatest."""
_MASK_SIDE = 512
"""Pixels of the picture in which the head's inside is drawn for it."""
_WHOLE_BOX = (0.0, 0.0, 1.0, 1.0)


def heat_stops() -> list[str]:
    """The colours of the heat as CSS has them, from nothing to the greatest: for a legend."""
    shares = np.linspace(0, 1, 5)
    return [f"rgb(255 {round(255 * share)} 0 / {_OPACITY * share:.2f})" for share in shares]


def heat_picture(result: Explanation, outline: Outline) -> bytes:
    """Draws the heat, clear where there is none and outside the head.

    Args:
        result: What the model said of an image.
        outline: Where the head is in it.

    Returns:
        A PNG file, to lay over the part of the image that the result's crop box names.
    """
    heat = Image.fromarray(np.clip(result.heatmap, 0, 1).astype(np.float32))
    heat = heat.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    top, left, bottom, right = box(result)
    middles = (np.arange(_FINE * _SIDE) + 0.5) / (_FINE * _SIDE)
    rows, is_row = _places(top + middles * (bottom - top))
    columns, is_column = _places(left + middles * (right - left))
    is_head = outline.mask(_MASK_SIDE, _MASK_SIDE)[np.ix_(rows, columns)]
    is_head = is_head & is_row[:, None] & is_column
    covered = is_head.reshape(_SIDE, _FINE, _SIDE, _FINE).mean(axis=(1, 3))
    steps = np.rint(np.asarray(heat) * covered * (_LEVELS - 1)).astype(np.uint8)
    picture = Image.fromarray(steps, "P")
    shares = np.arange(_LEVELS) / (_LEVELS - 1)
    greens = np.rint(255 * shares).astype(np.uint8)
    colours = np.stack([np.full_like(greens, 255), greens, np.zeros_like(greens)], axis=1)
    picture.putpalette(colours.tobytes())
    stream = io.BytesIO()
    clear = np.rint(255 * _OPACITY * shares).astype(np.uint8).tobytes()
    picture.save(stream, "PNG", transparency=clear, compress_level=1)
    return stream.getvalue()


def box(result: Explanation) -> tuple[float, float, float, float]:
    """Top, left, bottom and right of what the model looked at, as shares of the image."""
    if len(result.crop_box) != len(_WHOLE_BOX):
        return _WHOLE_BOX
    top, left, bottom, right = result.crop_box
    return top, left, bottom, right


def _places(
    shares: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Rows or columns of the mask at shares of the image, and which of them lie in it."""
    places = np.floor(shares * _MASK_SIDE)
    within = (places >= 0) & (places < _MASK_SIDE)
    return np.clip(places, 0, _MASK_SIDE - 1).astype(np.intp), within
