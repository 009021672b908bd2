"""Reads the images of one file, of any known format, or says why it cannot be used."""

import errno
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np

from imaging.config import ReadConfig
from imaging.head import WHOLE, Outline, head_alone
from imaging.identity import NOBODY, Identity
from imaging.jpeg import read_jpeg
from imaging.picture import (
    Levels,
    MissingReaderError,
    Picture,
    ReadFailedError,
    RejectedImageError,
    StorageGoneError,
    TechnicalTags,
    UnreadableError,
    Values,
    check_frame,
)
from imaging.pictures import Pictures
from imaging.png import read_png
from imaging.quiet import hush
from imaging.raster import read_raster
from imaging.viewing import Viewer
from imaging.whole import CODESTREAM, JP2, is_webp

BLANK = "blank: every pixel has the same value"
"""Why a file without any image is refused."""
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG2000", "DICOM", "NIFTI")

_SIGNATURES = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "BMP": (b"BM",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG2000": (JP2, CODESTREAM),
}
_PNG_LEVEL = 2
"""Of compression: higher ones take several times as long for a few percent."""
_LIBRARIES = ("pydicom", "nibabel")
_NIFTI_BYTES = 540  # the header of NIfTI-2, the longer one
_BARE_DICOM = (b"\x02\0", b"\x08\0", b"\0\x08")
"""First bytes of a data set without a preamble: group 2 or 8, in either byte order."""
_PIECE = 1 << 20
_OF_THE_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
_OF_THE_PATH = (errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)
"""Errors that say something of a file, its place or its permissions. All others are a moment's: too
many open files, no memory, a disk that fails."""
_STORAGE_IS_GONE = {errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.EHOSTDOWN, errno.ETIMEDOUT}
"""Errors of a file system that went away."""


@dataclass(frozen=True)
class DecodedImage:
    """An image as every part of this project sees it.

    Attributes:
        encoded: A JPEG or PNG file that says nothing but the picture, and that the exported model
            decodes to `pixels`.
        format: `JPEG` or `PNG`, of `encoded`.
        source_format: One of `FORMATS`.
        channels: Colour channels in the source.
        pixels: uint8 RGB, shape [height, width, 3].
        frame: Which frame or slice of the file, 0 where it has one.
        frames: How many the file has.
        tags: What is kept of all else that the file says.
        identity: Whose it is, as hashes.
        blackened: Whether something outside the head was taken away.
        burnt_in: Whether the file says that text is burnt into the picture.
        head: Where the head is; None if nobody looked.
    """

    encoded: bytes
    format: str
    source_format: str
    channels: int
    pixels: Levels
    frame: int
    tags: TechnicalTags
    identity: Identity = NOBODY
    blackened: bool = False
    burnt_in: bool = False
    head: Outline | None = None
    frames: int = 1


@dataclass(frozen=True)
class ImageFile:
    """What is in a file.

    Attributes:
        sha256: Digest of the file's bytes.
        images: At least one.
    """

    sha256: str
    images: tuple[DecodedImage, ...]


def read_file(
    path: str | os.PathLike[str],
    config: ReadConfig | None = None,
    salt: bytes = b"",
    *,
    frame: int | None = None,
) -> ImageFile:
    """Reads the images of a file; the same file gives the same images.

    Args:
        path: The file.
        config: The limits on bytes and pixels, and what is taken of DICOM and NIfTI.
        salt: Key of the hashes of patients' numbers; without one there are no hashes.
        frame: Only this frame or slice, counted from 0, whatever the configuration says.

    Returns:
        The images, without those of a single colour.

    Raises:
        RejectedImageError: The file is not a regular file, unreadable, empty, too large, of another
            format, damaged or blank, or has no such frame.
        ReadFailedError: The machine or the storage failed.
    """
    config = config or ReadConfig()
    with _opened(path, config.max_file_bytes) as (file, size):
        content = file.read(size)  # no more, if something is writing to it
    return read_content(content, config, salt, Path(path).name, frame=frame)


def file_digest(path: str | os.PathLike[str], limit: int) -> str:
    """Digests the bytes of a file that `read_file` would read.

    Args:
        path: The file.
        limit: The most bytes that it may have.

    Returns:
        The sha256 that `ImageFile` would say.

    Raises:
        RejectedImageError: The file is not a regular file, unreadable or too large.
        ReadFailedError: The machine or the storage failed.
    """
    digest = hashlib.sha256()
    with _opened(path, limit) as (file, size):
        while size > 0 and (piece := file.read(min(size, _PIECE))):
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()


def read_content(
    content: bytes,
    config: ReadConfig | None = None,
    salt: bytes = b"",
    name: str | None = None,
    *,
    frame: int | None = None,
) -> ImageFile:
    """Reads the images of a file that is in memory.

    What a file is, its content says, not its name; but a DICOM data set without a preamble is
    looked for only where the name, if it is known, allows for one. Sizes are known from headers
    before anything is unpacked.

    Args:
        content: The file.
        config: As in `read_file`.
        salt: As in `read_file`.
        name: The file's name, where it is known.
        frame: As in `read_file`.

    Returns:
        The images, without those of a single colour.

    Raises:
        RejectedImageError: As in `read_file`.
        ReadFailedError: There is not enough memory.
    """
    config = config or ReadConfig()
    opened = open_content(content, config, salt, name, frame=frame)
    if opened.pixels > config.max_pixels:
        raise RejectedImageError(
            f"more pixels in all frames together than the limit of {config.max_pixels:,}"
        )
    images = tuple(one for one in map(opened.image, opened.numbers) if one is not None)
    if not images:
        raise RejectedImageError(BLANK)
    return ImageFile(opened.sha256, images)


class OpenFile:
    """A file whose images are made one at a time, so that memory holds few of them.

    Attributes:
        frames: How many frames or slices the file has.
        numbers: Those that are taken, counted from 0: no localizers.
    """

    def __init__(self, content: bytes, pictures: Pictures, source: str, config: ReadConfig) -> None:
        """Makes nothing yet; `open_content` and `open_file` make this.

        Args:
            content: The file.
            pictures: What is in it.
            source: Its format.
            config: What becomes of all that lies outside the head.
        """
        self.frames, self.numbers = pictures.frames, pictures.numbers
        self._content, self._pictures = content, pictures
        self._source, self._outside = source, config.outside

    @property
    def pixels(self) -> int:
        """Of all frames that are taken together, as they are stored."""
        return self._pictures.pixels * len(self.numbers)

    @cached_property
    def sha256(self) -> str:
        """Digest of the file's bytes."""
        return hashlib.sha256(self._content).hexdigest()

    @cached_property
    def viewer(self) -> Viewer:
        """The same frames for a person who looks at them, head and all else."""
        return self._pictures.viewer()

    def samples(self, number: int) -> Values:
        """A frame's samples, black outside the head where its image is.

        Args:
            number: One of `numbers`.

        Returns:
            uint8 or uint16 [height, width], or uint8 [height, width, 3], as `viewer.file` says.

        Raises:
            RejectedImageError: This frame is damaged or cannot be shown.
            ReadFailedError: There is not enough memory.
        """
        try:
            picture, samples = self._pictures.make(number), self.viewer.samples(number)
            _, blackened, head = _head(picture, self._outside)
            if blackened and head is not None:
                samples = samples.copy()
                samples[~head.mask(*samples.shape[:2])] = self.viewer.black(number)
            return samples
        except MemoryError as error:
            raise ReadFailedError("not enough memory") from error

    def image(self, number: int) -> DecodedImage | None:
        """Makes one image.

        Args:
            number: One of `numbers`.

        Returns:
            The image; None if every pixel has the same value.

        Raises:
            RejectedImageError: This frame is damaged or cannot be shown.
            ReadFailedError: There is not enough memory.
        """
        try:
            picture = self._pictures.make(number)
            if _is_blank(picture.levels):
                return None
            return _decoded(picture, self._source, self._outside)
        except MemoryError as error:
            raise ReadFailedError("not enough memory") from error

    def shown(self) -> Iterator[tuple[int, DecodedImage | RejectedImageError | ReadFailedError]]:
        """Makes the images one at a time, without those of a single colour.

        Yields:
            A frame's number, and its image or why there is none.

        Raises:
            RejectedImageError: All are of a single colour.
        """
        is_blank = True
        for number in self.numbers:
            found: DecodedImage | RejectedImageError | ReadFailedError | None
            try:
                found = self.image(number)
            except (RejectedImageError, ReadFailedError) as error:
                found = error
            if found is not None:
                is_blank = False
                yield number, found
        if is_blank:
            raise RejectedImageError(BLANK)


def open_file(
    path: str | os.PathLike[str],
    config: ReadConfig | None = None,
    salt: bytes = b"",
    *,
    frame: int | None = None,
    most: int | None = None,
) -> OpenFile:
    """Opens a file as `open_content` does; for the rest, see `read_file`."""
    config = config or ReadConfig()
    with _opened(path, config.max_file_bytes) as (file, size):
        content = file.read(size)
    return open_content(content, config, salt, Path(path).name, frame=frame, most=most)


def open_content(
    content: bytes,
    config: ReadConfig | None = None,
    salt: bytes = b"",
    name: str | None = None,
    *,
    frame: int | None = None,
    most: int | None = None,
) -> OpenFile:
    """Opens a file that is in memory, to read its images one at a time.

    Args:
        content: The file.
        config: As in `read_file`; how many pixels all frames have together does not matter here.
        salt: As in `read_file`.
        name: As in `read_content`.
        frame: As in `read_file`.
        most: The most frames that the file may have, unless one is asked for.

    Returns:
        The file.

    Raises:
        RejectedImageError: As in `read_file`, or it has more frames.
        ReadFailedError: There is not enough memory.
    """
    config = config or ReadConfig()
    if not content:
        raise RejectedImageError("empty file")
    if len(content) > config.max_file_bytes:
        raise RejectedImageError(f"more bytes than the limit of {config.max_file_bytes:,}")
    source_format = file_format(content, name)
    if source_format is None:
        raise RejectedImageError("not an image of a known format")
    hush()
    try:
        pictures = _pictures(content, source_format, config, salt, frame)
    except MemoryError as error:
        raise ReadFailedError("not enough memory") from error
    if most is not None and frame is None and pictures.frames > most:
        raise RejectedImageError(f"{pictures.frames:,} frames, more than the limit of {most:,}")
    return OpenFile(content, pictures, source_format, config)


def decode(encoded: bytes) -> Levels:
    """Decodes the picture that stands in `DecodedImage.encoded`.

    Args:
        encoded: A JPEG or PNG file.

    Returns:
        uint8 RGB, shape [height, width, 3].

    Raises:
        RejectedImageError: It is not whole.
    """
    pictures = _pictures(encoded, file_format(encoded) or "PNG", ReadConfig(), b"")
    return _rgb(pictures.make(0).levels)


def encode(levels: Levels) -> bytes:
    """Writes a picture as a PNG file.

    Args:
        levels: uint8, [height, width] or [height, width, 3].

    Returns:
        The file.
    """
    # A copy: the encoder looks at strides, and NumPy lets those of one pixel be anything.
    return bytes(imagecodecs.png_encode(levels.copy(order="C"), level=_PNG_LEVEL))


def file_format(content: bytes, name: str | None = None) -> str | None:
    """Says what a file is by its first bytes.

    Args:
        content: The file, or its first kilobytes.
        name: Its name, where it is known.

    Returns:
        One of `FORMATS`; None where it is none of them.
    """
    if content[128:132] == b"DICM":  # before the others: a preamble may be a TIFF header
        return "DICOM"
    for known, starts in _SIGNATURES.items():
        if content.startswith(starts):
            return known
    if is_webp(content):
        return "WEBP"
    if _is_nifti(content[:_NIFTI_BYTES]) or _is_nifti(_unpack_start(content)):
        return "NIFTI"
    is_bare = content.startswith(_BARE_DICOM) and (name is None or _may_be_bare(Path(name).suffix))
    return "DICOM" if is_bare else None


def _may_be_bare(suffix: str) -> bool:
    return suffix.lower() in ("", ".dcm") or suffix[1:].isdecimal()


def _is_nifti(start: bytes) -> bool:
    return start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0")


def _unpack_start(content: bytes) -> bytes:
    """The beginning of what is in a gzip file; nothing where it is none."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS + 16).decompress(content[:4096], _NIFTI_BYTES)
    except zlib.error:
        return b""


@contextmanager
def _opened(path: str | os.PathLike[str], limit: int) -> Iterator[tuple[BinaryIO, int]]:
    """A file that may be read, and how many bytes it has."""
    try:
        # Opened without waiting, so that a named pipe in the folder cannot stop the run.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError("not a regular file")
            if status.st_size > limit:
                raise RejectedImageError(f"more bytes than the limit of {limit:,}")
            yield file, status.st_size
    except OSError as error:
        if isinstance(error, _OF_THE_FILE) or error.errno in _OF_THE_PATH:
            raise UnreadableError(f"cannot be read: {error.strerror}") from error
        failed = StorageGoneError if error.errno in _STORAGE_IS_GONE else ReadFailedError
        raise failed(error.strerror or type(error).__name__) from error
    except MemoryError as error:
        raise ReadFailedError("not enough memory") from error
    except ValueError:  # a path with a null byte, or with what no file system can hold
        raise UnreadableError("cannot be read: not a path") from None


def _pictures(
    content: bytes,
    source_format: str,
    config: ReadConfig,
    salt: bytes,
    frame: int | None = None,
) -> Pictures:
    if source_format not in ("DICOM", "NIFTI"):
        check_frame(frame, 1)
    if source_format == "JPEG":
        return Pictures.of(read_jpeg(content, config.max_pixels))
    if source_format == "PNG":
        return Pictures.of(read_png(content, config.max_pixels))
    if source_format not in ("DICOM", "NIFTI"):
        return Pictures.of(read_raster(content, source_format, config.max_pixels))
    try:
        # Imported here: those without such files need not install these libraries.
        if source_format == "DICOM":
            from imaging.dicom.reader import read_dicom

            return read_dicom(content, config, salt, frame)
        from imaging.nifti import read_nifti

        return read_nifti(content, config, frame)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in _LIBRARIES:
            raise
        raise MissingReaderError(
            f"reading {source_format} needs the package {package}: "
            "pip install 'brain-mri-pipeline[dicom]'"
        ) from error


def _decoded(picture: Picture, source_format: str, outside: str) -> DecodedImage:
    levels, blackened, head = _head(picture, outside)
    own = None if blackened else picture.encoded
    return DecodedImage(
        encoded=encode(levels) if own is None else own,
        format="PNG" if own is None else source_format,
        source_format=source_format,
        channels=picture.channels,
        pixels=_rgb(levels),
        frame=picture.frame,
        frames=picture.frames,
        tags=picture.tags,
        identity=picture.identity,
        blackened=blackened,
        burnt_in=picture.burnt_in,
        head=head,
    )


def _head(picture: Picture, outside: str) -> tuple[Levels, bool, Outline | None]:
    """A picture's levels as they are used, whether they have changed, and where the head is."""
    if outside != "black":
        return picture.levels, False, None
    given = _without_colours(picture.levels)
    alone, head = head_alone(given)
    if picture.burnt_in and head is WHOLE:
        raise RejectedImageError(
            "DICOM that says that text is burnt into it, and no head can be told from the text"
        )
    blackened = alone is not given
    return (alone if blackened else picture.levels), blackened, head


def _without_colours(levels: Levels) -> Levels:
    """One channel of a picture in which all are the same; a third of the work, and of the bytes."""
    if levels.ndim == 3 and all(np.array_equal(levels[..., 0], levels[..., i]) for i in (1, 2)):
        return np.ascontiguousarray(levels[..., 0])
    return levels


def _rgb(levels: Levels) -> Levels:
    return levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, axis=2)


def _is_blank(levels: Levels) -> bool:
    row_of_one = levels[0, 0].tobytes() * levels.shape[1]
    return all(row.tobytes() == row_of_one for row in levels)
