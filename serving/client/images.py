"""What a caller has of an image, made into what the model takes: the bytes of an image file."""

import io
import os
import threading
import warnings
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from serving.client.errors import ImageError

Image: TypeAlias = "bytes | str | os.PathLike[str] | np.ndarray[Any, Any]"
"""The bytes of a file, a path, or pixels: uint8 [rows, columns] or [rows, columns, 3]."""

_MOST_BYTES = 100_000_000
_MOST_PIXELS = 50_000_000
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BARE_DICOM = (b"\x02\0", b"\x08\0", b"\0\x08")
"""First bytes of a data set without a preamble: group 2 or 8, in either byte order."""
_ONE_AT_A_TIME = threading.Lock()


def encode_image(image: Image, max_pixels: int = _MOST_PIXELS) -> bytes:
    """Gives the bytes of a file that the model can decode.

    JPEG, PNG, GIF and BMP stay as they are, and so does what is none of these: the model refuses
    it. Of a DICOM file the middle frame is rendered as ingest does it, and no tag is sent; TIFF and
    arrays become PNG.

    Args:
        image: The image.
        max_pixels: The most pixels that a DICOM frame or a TIFF may have to be unpacked.

    Returns:
        The bytes to send.

    Raises:
        ImageError: It cannot be read, is empty, is larger than 100 MB, or is no picture.
    """
    if isinstance(image, np.ndarray):
        return _png(_checked(image))
    content = image if isinstance(image, bytes) else _read(Path(image))
    if not content:
        raise ImageError("The image is empty.")
    if len(content) > _MOST_BYTES:
        raise ImageError(f"The image has more bytes than the limit of {_MOST_BYTES:,}.")
    if content[128:132] == b"DICM" or content.startswith(_BARE_DICOM):
        return _rendered_dicom(content, max_pixels)
    if content.startswith(_TIFF):
        return _rendered_tiff(content, max_pixels)
    return content


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ImageError("There is no such image file, or it is not a regular file.")
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no valid path"
        raise ImageError(f"The image cannot be read: {reason}.") from error


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


def _rendered_dicom(content: bytes, max_pixels: int) -> bytes:
    from components.ingest.config import DicomConfig, IngestConfig
    from components.ingest.picture import RejectedImageError

    try:
        from components.ingest.dicom import read_dicom
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("pydicom"):
            raise
        raise ImageError(
            "Reading DICOM needs the package pydicom: pip install 'brain-mri-pipeline[dicom]'."
        ) from error
    config = IngestConfig(dicom=DicomConfig(frames="middle"), max_pixels=max_pixels)
    try:
        # pydicom's warnings quote the file, which may name a patient. Filters belong to the whole
        # process, so one thread at a time may change them.
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            [picture] = read_dicom(content, config, salt=b"")
    except RejectedImageError as error:
        raise ImageError(f"The image cannot be used: {error}.") from None
    return _png(picture.levels)


def _rendered_tiff(content: bytes, max_pixels: int) -> bytes:
    from components.ingest.picture import RejectedImageError
    from components.ingest.raster import read_raster

    try:
        return _png(read_raster(content, "TIFF", max_pixels).levels)
    except RejectedImageError as error:
        raise ImageError(f"The image cannot be used: {error}.") from None


def _png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    from PIL import Image as PillowImage

    stream = io.BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    return stream.getvalue()
