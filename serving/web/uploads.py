"""What people send: kept in memory, never under its name, and judged by what it decodes to."""

import hashlib
import io
from dataclasses import dataclass
from typing import IO

from flask import Request

from imaging.config import ONE_PICTURE
from imaging.picture import ReadFailedError, RejectedImageError
from imaging.reader import file_format, read_content
from imaging.thumbnail import thumbnail
from serving.web.config import WebConfig
from serving.web.problems import ProblemError

FORMATS = "JPEG, PNG, BMP, GIF, TIFF, DICOM or NIfTI"
_LONGEST_SHOWN_EDGE = 768
_SHOWN_DIGITS = 12
"""Of a digest: enough to tell the files of a hospital apart, few enough to compare by eye."""


class InMemoryRequest(Request):
    """A request whose files stay in memory: by default, large ones go to the disk."""

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return io.BytesIO()


@dataclass(frozen=True)
class Scan:
    """An image that was read.

    Attributes:
        content: The bytes of a JPEG or PNG file, for the model.
        picture: The same pixels, made smaller, as a JPEG file for people.
        width: Of the image, pixels.
        height: Of the image, pixels.
        digest: The beginning of the SHA-256 of the file that was sent, in hexadecimal digits.
    """

    content: bytes
    picture: bytes
    width: int
    height: int
    digest: str


def read_scan(content: bytes, config: WebConfig) -> Scan:
    """Reads the bytes of a file; of several frames or slices, the middle one.

    Args:
        content: What was sent.
        config: The limits.

    Returns:
        The image.

    Raises:
        ProblemError: It is empty, too large, of another format or damaged, or there is not enough
            memory.
    """
    if not content:
        raise ProblemError(422, "The image is empty.")
    if len(content) > config.max_file_bytes:
        limit = f"{config.max_file_bytes / 1e6:,.3g} MB"
        raise ProblemError(413, f"The image is larger than the limit of {limit}.")
    if file_format(content) is None:
        raise ProblemError(415, f"This is not a {FORMATS} image.")
    limits = ONE_PICTURE.model_copy(update={"max_pixels": config.max_pixels})
    try:
        image = read_content(content, limits).images[0]
    except RejectedImageError as error:
        raise ProblemError(422, f"The image cannot be used: {error}.") from None
    except ReadFailedError as error:
        raise ProblemError(503, f"The image cannot be read now: {error}.") from None
    height, width = image.pixels.shape[:2]
    picture = thumbnail(image.pixels, _LONGEST_SHOWN_EDGE, quality=90)
    digest = hashlib.sha256(content).hexdigest()[:_SHOWN_DIGITS]
    return Scan(image.encoded, picture, width, height, digest)
