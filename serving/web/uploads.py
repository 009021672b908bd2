"""What people send: kept in memory, never under its name, and judged by what it decodes to."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from flask import Request, request

from imaging.config import EVERY_PICTURE
from imaging.head import WHOLE, Outline
from imaging.picture import ReadFailedError, RejectedImageError
from imaging.reader import DecodedImage, OpenFile, file_format, open_content
from imaging.thumbnail import thumbnail
from serving.web.config import WebConfig
from serving.web.problems import ProblemError

FORMATS = "JPEG, PNG, BMP, GIF, TIFF, WebP, JPEG 2000, DICOM or NIfTI"
_LONGEST_SHOWN_EDGE = 1024
_MOST_SHOWN_BYTES = 1_000_000
"""Of a picture that is shown just as the model is sent it; a slice of 512 x 512 has 200,000."""
_MOST_TOGETHER = 4
"""Times the most pixels of an image that all frames of a file may have."""


class InMemoryRequest(Request):
    """A request whose files stay in memory: by default, large ones go to the disk."""

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return io.BytesIO()


@dataclass(frozen=True)
class Scan:
    """An image that was read.

    Attributes:
        content: The bytes of a JPEG or PNG file, for the model.
        picture: The same file, for people; of a large one a smaller JPEG.
        picture_type: Its media type.
        width: Of the image, pixels.
        height: Of the image, pixels.
        outline: Where the head is.
    """

    content: bytes
    picture: bytes
    picture_type: str
    width: int
    height: int
    outline: Outline

    @property
    def head(self) -> float:
        """Share of the image that the head takes up."""
        return self.outline.area


def sent_image() -> bytes:
    """The image of a program's request: its bytes, or the field `image` of its form.

    Raises:
        ProblemError: The form holds none, or several.
    """
    if request.mimetype != "multipart/form-data":
        return request.get_data(cache=False)
    files = request.files.getlist("image")
    if len(files) != 1:
        raise ProblemError(400, "Send one image per request, in the form field `image`.")
    return files[0].stream.read()


def open_upload(content: bytes, config: WebConfig, frame: int | None = None) -> OpenFile:
    """Opens the bytes of a file; its frames are read one at a time.

    Args:
        content: What was sent.
        config: The limits.
        frame: Only this frame.

    Returns:
        The file.

    Raises:
        ProblemError: It is empty, too large, of another format, damaged, has more frames than are
            taken or not this one, or there is not enough memory.
    """
    if not content:
        raise ProblemError(422, "The image is empty.")
    if len(content) > config.max_file_bytes:
        limit = f"{config.max_file_bytes / 1e6:,.3g} MB"
        raise ProblemError(413, f"The image is larger than the limit of {limit}.")
    if file_format(content) is None:
        raise ProblemError(415, f"This is not a {FORMATS} image.")
    limits = EVERY_PICTURE.model_copy(update={"max_pixels": config.max_pixels})
    with in_words():
        file = open_content(content, limits, frame=frame)
    if frame is None and file.frames > config.max_frames:
        raise ProblemError(
            413,
            f"The file has {file.frames:,} frames or slices, and at most "
            f"{config.max_frames:,} are accepted: send a part of it.",
        )
    most = _MOST_TOGETHER * config.max_pixels
    if file.pixels > most:
        raise ProblemError(
            413, f"The frames have more pixels together than the limit of {most:,}: send a part."
        )
    return file


def read_scans(file: OpenFile) -> Iterator[tuple[int, Scan | ProblemError]]:
    """Reads a file's frames, one at a time, without those of a single colour.

    Args:
        file: The file.

    Yields:
        A frame's number, and the image or why there is none.

    Raises:
        ProblemError: All are of a single colour.
    """
    with in_words():
        for number, found in file.shown():
            yield number, _scan(found) if isinstance(found, DecodedImage) else _problem(found)


@contextmanager
def in_words() -> Iterator[None]:
    """Says of a file that cannot be used what a person is told.

    Raises:
        ProblemError: In the place of what `imaging` raises.
    """
    try:
        yield
    except (RejectedImageError, ReadFailedError) as error:
        raise _problem(error) from None


def _problem(error: RejectedImageError | ReadFailedError) -> ProblemError:
    if isinstance(error, RejectedImageError):
        return ProblemError(422, f"The image cannot be used: {error}.")
    return ProblemError(503, f"The image cannot be read now: {error}.")


def _scan(image: DecodedImage) -> Scan:
    height, width = image.pixels.shape[:2]
    picture, kind = image.encoded, f"image/{image.format.lower()}"
    if len(picture) > _MOST_SHOWN_BYTES:
        picture, kind = thumbnail(image.pixels, _LONGEST_SHOWN_EDGE, quality=90), "image/jpeg"
    return Scan(image.encoded, picture, kind, width, height, image.head or WHOLE)
