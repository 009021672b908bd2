"""Small copies of pictures, for pages and reports."""

import base64
import io

from PIL import Image

from imaging.picture import Levels


def thumbnail(pixels: Levels, longest: int, quality: int = 85) -> bytes:
    """Makes a small copy of a picture.

    Args:
        pixels: uint8, [height, width] or [height, width, 3].
        longest: Pixels that neither side may exceed.
        quality: Of the JPEG file, 1 to 95.

    Returns:
        A JPEG file; of the picture's own size where that is smaller.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def data_address(content: bytes, kind: str = "image/jpeg") -> str:
    """The content of a file as a data: address, for pages that stand alone."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
