"""Reads one image file, or says why it cannot be used."""

import io
import os
import stat
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from components.ingest.config import IngestConfig
from components.transform.preprocessing import decode

_FORMATS = ("JPEG", "PNG")


class RejectedImageError(Exception):
    """A file that cannot be used; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class DecodedImage:
    """An image file that the exported model can read too.

    Attributes:
        encoded: The file's bytes.
        format: `JPEG` or `PNG`.
        channels: Colour channels in the file.
        pixels: uint8 RGB, shape [height, width, 3].
    """

    encoded: bytes
    format: str
    channels: int
    pixels: np.ndarray[Any, np.dtype[np.uint8]]


def read_image(path: str, config: IngestConfig) -> DecodedImage:
    """Reads and decodes an image file.

    Only its header is read before its size is known to be acceptable, and it is decoded by the
    function that the exported model uses, so what is accepted here never fails later.

    Args:
        path: The file.
        config: The limits on bytes and pixels.

    Returns:
        The file's bytes and its pixels.

    Raises:
        RejectedImageError: The file is not a regular file, unreadable, empty, too large, of another
            format, damaged or blank.
    """
    encoded = _read_bytes(path, config.max_file_bytes)
    header = _read_header(encoded)
    if header.width * header.height > config.max_pixels:
        raise RejectedImageError(
            f"{header.width} x {header.height} pixels, more than the limit of {config.max_pixels:,}"
        )
    try:
        pixels = decode(tf.constant(encoded)).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise RejectedImageError(f"damaged or truncated {header.format}") from error
    if int(pixels.min()) == int(pixels.max()):
        raise RejectedImageError("blank: every pixel has the same value")
    return DecodedImage(encoded, str(header.format), len(header.getbands()), pixels)


def _read_bytes(path: str, limit: int) -> bytes:
    try:
        # Opened without waiting, so that a named pipe in the folder cannot stop the run.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RejectedImageError("not a regular file")
            if status.st_size == 0:
                raise RejectedImageError("empty file")
            if status.st_size > limit:
                raise RejectedImageError(
                    f"{status.st_size:,} bytes, more than the limit of {limit:,}"
                )
            return file.read()
    except OSError as error:
        raise RejectedImageError(f"cannot be read: {error.strerror}") from error


def _read_header(encoded: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Our own limit follows at once, and it is the user's to choose.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(encoded), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise RejectedImageError("a header that claims more pixels than can be decoded") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise RejectedImageError(f"not an image of format {' or '.join(_FORMATS)}") from error
