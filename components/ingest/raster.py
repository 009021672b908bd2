"""JPEG, PNG, BMP, TIFF and GIF, through Pillow."""

import io
import logging

import numpy as np
from PIL import Image, TiffImagePlugin

from components.ingest.picture import (
    Levels,
    Picture,
    RejectedImageError,
    TechnicalTags,
    Values,
    to_levels,
)

# Pillow logs the texts that it finds in files.
logging.getLogger("PIL").setLevel(logging.ERROR)

_SIGNATURES = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "GIF": (b"GIF87a", b"GIF89a"),
}
_GREY = {"1", "L", "LA", "La"}


def raster_format(content: bytes) -> str | None:
    """Returns the format that a file's first bytes announce; None where it is none of these."""
    return next((name for name, starts in _SIGNATURES.items() if content.startswith(starts)), None)


def count_channels(content: bytes, source_format: str, limit: int) -> int:
    """Reads the header of an image file.

    Args:
        content: The file.
        source_format: Its format.
        limit: The most pixels that it may have.

    Returns:
        How many colour channels it has.

    Raises:
        RejectedImageError: It has no such header, or one that says more pixels.
    """
    return len(_open(content, source_format, limit).getbands())


def read_raster(content: bytes, source_format: str, limit: int) -> Picture:
    """Reads the (first) image of a file.

    Images of more than 8 bits a pixel are scaled, from their least to their greatest value.

    Args:
        content: The file.
        source_format: Its format.
        limit: The most pixels that it may have.

    Returns:
        The image.

    Raises:
        RejectedImageError: It cannot be read, or has more pixels.
    """
    image = _open(content, source_format, limit)
    try:
        levels = _levels(image)
    except Exception:  # noqa: BLE001 - Pillow raises anything, and its text may quote the file
        raise RejectedImageError(f"damaged, truncated or unsupported {source_format}") from None
    return Picture(levels, frame=0, channels=len(image.getbands()), tags=TechnicalTags())


def _open(content: bytes, source_format: str, limit: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content), formats=[source_format])
    except Image.DecompressionBombError:
        raise RejectedImageError("a header that claims more pixels than can be decoded") from None
    except Exception:  # noqa: BLE001 - as below
        raise RejectedImageError(f"damaged or truncated {source_format}") from None
    if image.width * image.height > limit:
        raise RejectedImageError(f"more pixels than the limit of {limit:,}")
    return image


def _levels(image: Image.Image) -> Levels:
    if image.mode.startswith(("I", "F")):
        values: Values = np.asarray(image)
        finite = values[np.isfinite(values)]
        levels = to_levels(values, float(finite.min()), float(finite.max()))
        # Pillow turns TIFFs whose white is zero the right way round only up to 8 bits.
        return 255 - levels if _is_white_zero(image) else levels
    return np.asarray(image.convert("L" if image.mode in _GREY else "RGB"))


def _is_white_zero(image: Image.Image) -> bool:
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    )
