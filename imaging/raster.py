"""BMP, GIF, TIFF, WebP, JPEG 2000: pixels, never the file, as no model is sent one of these."""

import io
import logging
from typing import Any

import numpy as np
import tifffile
from PIL import GifImagePlugin, Image, features

from imaging import exif
from imaging.picture import (
    Levels,
    Picture,
    RejectedImageError,
    TechnicalTags,
    Values,
    check_size,
    full_range,
    on_black,
)
from imaging.whole import is_whole

# They log what they find in files.
for _library in ("PIL", "tifffile"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)

_CODECS = {"WEBP": "webp", "JPEG2000": "jpg_2000"}
"""What Pillow may have been built without, by its own name."""
_GREY = {"1", "L"}
_LEFT_OUT = {
    "TIFF": "Only the first page is judged",
    "GIF": "Only the first frame is judged",
    "WEBP": "Only the first frame is judged",
}
_WITH_ALPHA = {"LA": "LA", "RGBA": "RGBA", "PA": "RGBA"}
"""Modes whose last channel is opacity, and what they are read as."""


def read_raster(content: bytes, source_format: str, max_pixels: int) -> Picture:
    """Reads the (first) picture of a file.

    What is transparent, and what the first frame of a GIF leaves open, is black. Values of more
    than 8 bits are shown from the least to the greatest.

    Args:
        content: The file.
        source_format: `BMP`, `GIF`, `TIFF`, `WEBP` or `JPEG2000`.
        max_pixels: The most pixels that it may have.

    Returns:
        The picture, upright.

    Raises:
        RejectedImageError: It cannot be read, or has more pixels.
    """
    if (codec := _CODECS.get(source_format)) is not None:
        if not features.check(codec):
            raise RejectedImageError(f"{source_format}, which Pillow does not read on this machine")
        if not is_whole(content):
            raise RejectedImageError(f"damaged, truncated or unsupported {source_format}")
    try:
        if source_format == "TIFF" and (deep := _deep_tiff(content, max_pixels)):
            return deep
        with Image.open(io.BytesIO(content), formats=[source_format]) as image:
            check_size(image.width * image.height, max_pixels)
            turn = exif.orientation(_exif(image)) if source_format == "WEBP" else exif.UPRIGHT
            values: Values | None = None
            channels = len(image.getbands())
            if image.mode.startswith("I"):  # JPEG 2000 of more than 8 bits
                values = exif.turned(np.asarray(image), turn)
                levels, channels = full_range(values), 1
            else:
                levels = exif.turned(_levels(image), turn)
            left_out = _LEFT_OUT.get(source_format) if _has_more(image) else None
            return Picture(levels, 0, channels, TechnicalTags(), values=values, left_out=left_out)
    except (RejectedImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise RejectedImageError("a header that claims more pixels than can be decoded") from None
    except Exception:  # noqa: BLE001 - hostile bytes raise anything, with a text that quotes them
        raise RejectedImageError(f"damaged, truncated or unsupported {source_format}") from None


def _has_more(image: Image.Image) -> bool:
    """Whether another picture follows that is more than a smaller copy of the first."""
    first = image.size
    try:
        image.seek(1)
    except Exception:  # noqa: BLE001 - as above: what is damaged behind the first is no picture
        return False
    return image.size == first


def _exif(image: Image.Image) -> bytes:
    """EXIF data from its TIFF header on."""
    return bytes(image.info.get("exif", b"")).removeprefix(b"Exif\0\0")


def _levels(image: Image.Image) -> Levels:
    tiles = image.tile if isinstance(image, GifImagePlugin.GifImageFile) else []
    extent = tiles[0].extents if tiles else None
    image.load()
    if image.mode in _GREY and "transparency" not in image.info:
        levels: Values = np.asarray(image.convert("L"))
    elif image.mode in _WITH_ALPHA or "transparency" in image.info:
        levels = on_black(np.asarray(image.convert(_WITH_ALPHA.get(image.mode, "RGBA"))))
    else:
        levels = np.asarray(image.convert("RGB"))
    return levels if extent is None else _only(levels, extent)


def _only(levels: Levels, extent: tuple[int, int, int, int]) -> Levels:
    """The canvas of a GIF with nothing but its first frame on it."""
    left, top, right, bottom = extent
    drawn = np.zeros_like(levels)
    drawn[top:bottom, left:right] = levels[top:bottom, left:right]
    return drawn


def _deep_tiff(content: bytes, max_pixels: int) -> Picture | None:
    """The first page of a TIFF of more than 8 bits a sample, which Pillow reads in part only."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page: Any = file.pages[0]
        if page.bitspersample <= 8:
            return None
        check_size(page.imagelength * page.imagewidth, max_pixels)
        if page.samplesperpixel > 4 or page.imagedepth != 1:
            raise RejectedImageError("TIFF that is neither grey nor RGB")
        values: Values = page.asarray()
        if page.axes == "SYX":
            values = np.moveaxis(values, 0, -1)
        if values.dtype.kind not in "iuf" or values.ndim not in (2, 3):
            raise RejectedImageError("TIFF that is neither grey nor RGB")
        samples = page.samplesperpixel
        if values.ndim == 3 and samples in (2, 4):
            # Associated alpha (1) is multiplied in already: it lies on black as it is.
            values = _laid(values) if page.extrasamples == (2,) else values[..., :-1]
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        levels = full_range(values)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            levels, values = 255 - levels, -values.astype(np.float64)
        left_out = _LEFT_OUT["TIFF"] if _has_more_pages(file) else None
        turn = page.tags.valueof("Orientation", default=exif.UPRIGHT)
        turn = turn if turn in range(1, 9) else exif.UPRIGHT
    shown, values = exif.turned(levels, turn), exif.turned(values, turn)
    return Picture(shown, 0, samples, TechnicalTags(), values=values, left_out=left_out)


def _has_more_pages(file: tifffile.TiffFile) -> bool:
    """The same as `_has_more`, of what Pillow may not know."""
    try:
        first, second = (file.pages[number].shape for number in (0, 1))
    except Exception:  # noqa: BLE001 - there is none, or it is damaged
        return False
    return bool(first == second)


def _laid(values: Values) -> Values:
    if values.dtype in (np.uint8, np.uint16):
        return on_black(values)
    full = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    return values[..., :-1] * (values[..., -1:] / full)
