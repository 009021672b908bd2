"""What a caller has of an image, made into what the model takes: the bytes of an image file."""

import os
from typing import Any, TypeAlias

import numpy as np

from imaging.config import ONE_PICTURE
from imaging.head import head_alone
from imaging.picture import ReadFailedError, RejectedImageError, StorageGoneError
from imaging.reader import encode, read_content, read_file
from serving.client.errors import ImageError

Image: TypeAlias = "bytes | str | os.PathLike[str] | np.ndarray[Any, Any]"
"""The bytes of a file, a path, or pixels: uint8 [rows, columns] or [rows, columns, 3]."""


def encode_image(image: Image) -> bytes:
    """Gives what ingest would have stored of an image, and so nothing else that its file says.

    Of several frames or slices the middle one is taken.

    Args:
        image: The image; a file of any format that `imaging.reader` knows.

    Returns:
        A JPEG or PNG file.

    Raises:
        ImageError: It cannot be read or used.
    """
    if isinstance(image, np.ndarray):
        return encode(head_alone(_checked(image))[0])
    try:
        if isinstance(image, bytes):
            file = read_content(image, ONE_PICTURE)
        else:
            file = read_file(image, ONE_PICTURE)
    except RejectedImageError as error:
        raise ImageError(f"The image cannot be used: {error}.") from None
    except StorageGoneError as error:
        raise ImageError(
            f"The storage of the image became unavailable ({error}): try again."
        ) from None
    except ReadFailedError as error:
        raise ImageError(f"The image could not be read now ({error}): try again.") from None
    return file.images[0].encoded


def _checked(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if pixels.dtype != np.uint8:
        raise ImageError(f"An array must hold uint8, 0 to 255; this one holds {pixels.dtype}.")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if not pixels.size or (pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[2] != 3)):
        raise ImageError(
            f"An array must be of shape [rows, columns] or [rows, columns, 3], not "
            f"{list(pixels.shape)}."
        )
    return pixels
