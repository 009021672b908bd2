"""Reads the images of one file, of any known format, or says why it cannot be used."""

import errno
import hashlib
import io
import os
import stat
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from PIL import Image

from components.errors import PipelineError
from components.ingest.config import IngestConfig
from components.ingest.picture import Levels, Picture, RejectedImageError, TechnicalTags
from components.ingest.raster import count_channels, raster_format, read_raster
from components.transform.preprocessing import decode

__all__ = ["DecodedImage", "ImageFile", "RejectedImageError", "TechnicalTags", "read_images"]

_PASSED_THROUGH = ("JPEG", "PNG")
_LIBRARIES = ("pydicom", "nibabel")
_NIFTI_BYTES = 540  # the header of NIfTI-2, the longer one
_BARE_DICOM = (b"\x02\0", b"\x08\0", b"\0\x08")
"""First bytes of a data set without a preamble: group 2 or 8, in either byte order."""
_STORAGE_IS_GONE = {errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.EHOSTDOWN, errno.ETIMEDOUT}
"""Errors of a file system that went away: they say nothing of the file."""
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class DecodedImage:
    """An image that the exported model can read too.

    Attributes:
        encoded: A JPEG or PNG file: the file itself, or what was made of it.
        format: `JPEG` or `PNG`, of `encoded`.
        source_format: `JPEG`, `PNG`, `BMP`, `TIFF`, `GIF`, `DICOM` or `NIFTI`.
        channels: Colour channels in the source.
        pixels: What `decode` makes of `encoded`: uint8 RGB, shape [height, width, 3].
        frame: Which frame or slice of the file, 0 where it has one.
        tags: What is kept of all else that the file says.
    """

    encoded: bytes
    format: str
    source_format: str
    channels: int
    pixels: Levels
    frame: int
    tags: TechnicalTags


@dataclass(frozen=True)
class ImageFile:
    """What is in a file.

    Attributes:
        sha256: Digest of the file's bytes.
        images: At least one.
    """

    sha256: str
    images: tuple[DecodedImage, ...]


def read_images(path: str, config: IngestConfig, salt: bytes = b"") -> ImageFile:
    """Reads and decodes the images of a file; the same file gives the same images.

    What a file is, its content says, not its name (but a DICOM data set without a preamble is
    looked for only where the name allows for one). JPEG and PNG stay as they are, all else becomes
    PNG. Sizes are known from headers before anything is unpacked, and images are decoded by the
    function that the exported model uses, so what is accepted here never fails later.

    Args:
        path: The file.
        config: The limits on bytes and pixels, and what is taken of DICOM and NIfTI.
        salt: Key of the hashes of patients' numbers; without one there are no hashes.

    Returns:
        The images, without those of a single colour.

    Raises:
        RejectedImageError: The file is not a regular file, unreadable, empty, too large, of another
            format, damaged or blank.
        PipelineError: The storage went away.
    """
    content = _read_bytes(path, config.max_file_bytes)
    source_format = _detect(content, Path(path))
    if source_format in _PASSED_THROUGH:
        with _silence():
            channels = count_channels(content, source_format, config.max_pixels)
        decoded = [_decoded(content, source_format, channels)]
    else:
        decoded = [
            _decoded(
                _png(picture.levels), source_format, picture.channels, picture.frame, picture.tags
            )
            for picture in _read_pictures(content, source_format, config, salt)
        ]
    images = tuple(image for image in decoded if not _is_blank(image.pixels))
    if not images:
        raise RejectedImageError("blank: every pixel has the same value")
    return ImageFile(hashlib.sha256(content).hexdigest(), images)


def _read_bytes(path: str, limit: int) -> bytes:
    try:
        # Opened without waiting, so that a named pipe in the folder cannot stop the run.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RejectedImageError("not a regular file")
            if status.st_size > limit:
                raise RejectedImageError(f"more bytes than the limit of {limit:,}")
            content = file.read(status.st_size)  # no more, if something is writing to it
    except OSError as error:
        if error.errno in _STORAGE_IS_GONE:
            raise PipelineError(
                f"The storage of the images went away while they were read ({error.strerror}): run "
                "again when it is back."
            ) from error
        raise RejectedImageError(f"cannot be read: {error.strerror}") from error
    if not content:
        raise RejectedImageError("empty file")
    return content


def _detect(content: bytes, path: Path) -> str:
    if content[128:132] == b"DICM":  # before the others: a preamble may be a TIFF header
        return "DICOM"
    raster = raster_format(content)
    if raster:
        return raster
    if _is_nifti(content[:_NIFTI_BYTES]) or _is_nifti(_unpack_start(content)):
        return "NIFTI"
    if content.startswith(_BARE_DICOM) and (
        path.suffix.lower() in ("", ".dcm") or path.suffix[1:].isdecimal()
    ):
        return "DICOM"
    raise RejectedImageError("not an image of a known format")


def _is_nifti(start: bytes) -> bool:
    return start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0")


def _unpack_start(content: bytes) -> bytes:
    """The beginning of what is in a gzip file; nothing where it is none."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS + 16).decompress(content[:4096], _NIFTI_BYTES)
    except zlib.error:
        return b""


def _read_pictures(
    content: bytes, source_format: str, config: IngestConfig, salt: bytes
) -> list[Picture]:
    try:
        # Imported here: who has no such files need not have these libraries.
        if source_format == "DICOM":
            from components.ingest.dicom import read_dicom
        elif source_format == "NIFTI":
            from components.ingest.nifti import read_nifti
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in _LIBRARIES:
            raise
        raise RejectedImageError(
            f"reading {source_format} needs the package {package}: "
            "pip install 'brain-mri-pipeline[dicom]'"
        ) from error
    with _silence():
        if source_format == "DICOM":
            return read_dicom(content, config, salt)
        if source_format == "NIFTI":
            return read_nifti(content, config)
        return [read_raster(content, source_format, config.max_pixels)]


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps libraries from warning: they quote the files, which may name patients.

    Filters belong to the whole process, so one thread at a time may change them.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _png(levels: Levels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


def _decoded(
    encoded: bytes,
    source_format: str,
    channels: int,
    frame: int = 0,
    tags: TechnicalTags | None = None,
) -> DecodedImage:
    encoded_format = source_format if source_format in _PASSED_THROUGH else "PNG"
    try:
        pixels = decode(tf.constant(encoded)).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise RejectedImageError(f"damaged or truncated {encoded_format}") from error
    tags = tags or TechnicalTags()
    return DecodedImage(encoded, encoded_format, source_format, channels, pixels, frame, tags)


def _is_blank(pixels: Levels) -> bool:
    row_of_one = pixels[0, 0].tobytes() * pixels.shape[1]
    return all(row.tobytes() == row_of_one for row in pixels)
