"""What a caller has of an image, made into what the model takes: the bytes of an image file."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import PIL.Image
from PIL import ImageOps

from imaging.config import EVERY_PICTURE, MOST_FRAMES, ONE_PICTURE, ReadConfig
from imaging.head import head_alone
from imaging.picture import ReadFailedError, RejectedImageError, StorageGoneError
from imaging.reader import (
    DecodedImage,
    ImageFile,
    OpenFile,
    encode,
    open_content,
    open_file,
    read_content,
    read_file,
)
from serving.client.errors import ImageError

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B")
"""Of Pillow's images: those that a PNG file holds as they are."""
_TAKEN = (
    "an image is a path, the bytes of a file (bytes, bytearray, memoryview), a file opened with "
    "'rb', a Pillow image, a uint8 array, or what read_frames gives"
)


@dataclass(frozen=True)
class EncodedImage:
    """An image that is ready to be sent.

    Attributes:
        content: A JPEG or PNG file that says nothing but the picture.
        frame: Which frame or slice of its file it is, counted from 0.
        frames: How many the file has.
        head: Share of the picture that the head takes up; 0 where none can be told.
    """

    content: bytes = field(repr=False)
    frame: int = 0
    frames: int = 1
    head: float = field(default=0.0, compare=False)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


Image: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | _Readable | PIL.Image.Image | "
    "np.ndarray[Any, Any] | EncodedImage"
)
"""A path, the bytes of a file, an object that reads them, a Pillow image, pixels (uint8 [rows,
columns] or [rows, columns, 3]), or an `EncodedImage`; all else is refused."""


def encode_image(image: Image) -> bytes:
    """Gives what ingest would have stored of an image, and so nothing else that its file says.

    Args:
        image: The image, as `prepare_image` takes it.

    Returns:
        A JPEG or PNG file.

    Raises:
        ImageError: It cannot be read or used.
    """
    return prepare_image(image).content


def prepare_image(image: Image) -> EncodedImage:
    """Makes what is sent of an image; of several frames or slices it is the middle one.

    Args:
        image: The image; a file may be of any format that `imaging.reader` knows.

    Returns:
        What ingest would have stored, and which frame it is.

    Raises:
        ImageError: It cannot be read or used, or is nothing of that kind.
    """
    if isinstance(image, EncodedImage):
        return image
    if isinstance(image, np.ndarray):
        return EncodedImage(encode(head_alone(_checked(image))[0]))
    return _encoded(_read(image, ONE_PICTURE))[0]


def read_frames(image: Image, frame: int | None = None) -> list[EncodedImage]:
    """Reads the frames of a DICOM file or the axial slices of a NIfTI volume.

    Args:
        image: A file, as `prepare_image` takes it. A file of another format has one frame.
        frame: Only this one, counted from 0; by default all that are not of a single colour.

    Returns:
        Images, to be sent in the place of their file.

    Raises:
        ImageError: The file or one of its frames cannot be read or used, it has no such frame, or
            more than `MOST_FRAMES`.
    """
    frames = []
    for one in open_frames(image, frame):
        if isinstance(one, ImageError):
            raise one
        frames.append(one)
    return frames


def open_frames(image: Image, frame: int | None = None) -> Iterator[EncodedImage | ImageError]:
    """The same as `read_frames`, making the images one at a time.

    Args:
        image: As in `read_frames`.
        frame: As in `read_frames`.

    Returns:
        Images, and in the place of a frame that cannot be used why.

    Raises:
        ImageError: The file cannot be read or used, or has no such frame, or too many.
    """
    if isinstance(image, EncodedImage | np.ndarray):
        if frame in (None, 0):
            return iter([prepare_image(image)])
        raise ImageError(f"There is no frame {frame}: an array or encoded image has only frame 0.")
    with _in_words():
        if isinstance(image, str | os.PathLike):
            path = os.fsdecode(image)
            file = open_file(path, EVERY_PICTURE, frame=frame, most=MOST_FRAMES)
        else:
            file = open_content(_content(image), EVERY_PICTURE, frame=frame, most=MOST_FRAMES)
    return _frames(file)


def _frames(file: OpenFile) -> Iterator[EncodedImage | ImageError]:
    try:
        for number, found in file.shown():
            if isinstance(found, DecodedImage):
                yield encoded_image(found)
                continue
            error = _image_error(found)
            if file.frames > 1:
                error.frame, error.frames = number, file.frames
            yield error
    except RejectedImageError as rejected:
        yield _image_error(rejected)


def encoded_image(image: DecodedImage) -> EncodedImage:
    """What is sent of an image that was read."""
    area = 0.0 if image.head is None else image.head.area
    return EncodedImage(image.encoded, image.frame, image.frames, area)


def is_one_image(value: Any) -> bool:
    """Whether something that can be iterated over is an image, not several."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (1, 3))
    if isinstance(value, str | bytes | bytearray | memoryview | os.PathLike | PIL.Image.Image):
        return True
    return callable(getattr(value, "read", None))


def _encoded(file: ImageFile) -> list[EncodedImage]:
    return [encoded_image(one) for one in file.images]


def _read(image: Image, config: ReadConfig) -> ImageFile:
    with _in_words():
        if isinstance(image, str | os.PathLike):
            return read_file(os.fsdecode(image), config)
        return read_content(_content(image), config)


@contextmanager
def _in_words() -> Iterator[None]:
    """Says of a file that cannot be used what a person can act on."""
    try:
        yield
    except (RejectedImageError, ReadFailedError) as error:
        raise _image_error(error) from None


def _image_error(error: RejectedImageError | ReadFailedError) -> ImageError:
    if isinstance(error, RejectedImageError):
        return ImageError(f"The image cannot be used: {error}.")
    text = f"The image could not be read now ({error}): try again."
    if isinstance(error, StorageGoneError):
        text = f"The storage of the image became unavailable ({error}): try again."
    failed = ImageError(text)
    failed.temporary = True
    return failed


def _content(image: Image) -> bytes:
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, PIL.Image.Image):
        return _as_png(image)
    if callable(getattr(image, "read", None)):
        return _rest_of(image)
    raise ImageError(f"{type(image).__name__} is not an image: {_TAKEN}.")


def _as_png(image: PIL.Image.Image) -> bytes:
    """The picture that is seen of it; how it is read, the file's reader alone knows."""
    if image.mode not in _MODES:
        raise ImageError(
            f"A Pillow image of mode {image.mode} cannot be used: convert it to L or RGB first."
        )
    stream = io.BytesIO()
    try:
        ImageOps.exif_transpose(image).save(stream, "PNG", compress_level=0)
    except Exception as error:
        # It reads its file now, which may be damaged or closed, and raises anything.
        raise ImageError(
            "The Pillow image cannot be used: its file is damaged, truncated or closed."
        ) from error
    return stream.getvalue()


def _rest_of(file: Any) -> bytes:
    content = bytearray()
    try:
        while len(content) <= ONE_PICTURE.max_file_bytes and (piece := file.read(1 << 20)):
            content += piece
    except TypeError:
        raise ImageError("The file gives text: open it with 'rb'.") from None
    except (OSError, ValueError) as error:  # it is closed, or not for reading
        raise ImageError(f"The file cannot be read: {type(error).__name__}.") from None
    return bytes(content)


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
