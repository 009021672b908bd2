"""What people send: kept in memory, never under its name, and judged by what it decodes to."""

import base64
import io
from dataclasses import dataclass
from typing import IO, Any

from flask import Request
from PIL import Image

from components.ingest.picture import RejectedImageError
from components.ingest.raster import raster_format, read_raster
from serving.client import encode_image
from serving.client.errors import ImageError
from serving.web.config import WebConfig
from serving.web.problems import ProblemError

FORMATS = "JPEG, PNG, BMP, TIFF or DICOM"
_DECODED_BY_THE_MODEL = ("JPEG", "PNG", "BMP")
_LONGEST_SHOWN_EDGE = 768


class InMemoryRequest(Request):
    """A request whose files stay in memory: by default, large ones go to the disk."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        del total_content_length, content_type, filename, content_length
        return io.BytesIO()


@dataclass(frozen=True)
class Scan:
    """An image that was read.

    Attributes:
        content: The bytes of a JPEG, PNG or BMP file, for the model.
        picture: The pixels as a JPEG file made here, for people.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
    """

    content: bytes
    picture: bytes
    width: int
    height: int

    @property
    def address(self) -> str:
        """The picture as a data: address."""
        return data_address(self.picture, "image/jpeg")


def read_scan(content: bytes, config: WebConfig) -> Scan:
    """Reads the bytes of a file.

    Args:
        content: What was sent.
        config: The limits.

    Returns:
        The image.

    Raises:
        ProblemError: It is empty, too large, of another format or damaged.
    """
    if not content:
        raise ProblemError(422, "The image is empty.")
    if len(content) > config.max_file_bytes:
        limit = f"{config.max_file_bytes / 1e6:,.3g} MB"
        raise ProblemError(413, f"The image is larger than the limit of {limit}.")
    try:
        encoded = encode_image(content, config.max_pixels)
        found = raster_format(encoded)
        if found not in _DECODED_BY_THE_MODEL:
            raise ProblemError(415, f"This is not a {FORMATS} image.")
        levels = read_raster(encoded, found, config.max_pixels).levels
    except ImageError as error:
        raise ProblemError(422, str(error)) from None
    except RejectedImageError as error:
        raise ProblemError(422, f"The image cannot be used: {error}.") from None
    return Scan(encoded, *_picture(levels))


def data_address(content: bytes, kind: str) -> str:
    """The content of a file as a data: address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _picture(levels: Any) -> tuple[bytes, int, int]:
    image = Image.fromarray(levels)
    image.thumbnail((_LONGEST_SHOWN_EDGE, _LONGEST_SHOWN_EDGE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue(), image.width, image.height
