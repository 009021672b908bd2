import io
import os
import struct
import zlib

import numpy as np
import pytest
from drawing import draw, encode
from PIL import Image

from components.ingest.config import IngestConfig
from components.ingest.readers import RejectedImageError, read_image

CONFIG = IngestConfig()


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost nothing of it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"0"))


def _chunk(kind: bytes, content: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + crc


def _saved(image: Image.Image, format: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("encoded", "format", "channels"),
    [
        (encode(draw(1), "JPEG"), "JPEG", 3),
        (encode(draw(1, channels=1), "JPEG"), "JPEG", 1),
        (encode(draw(1), "PNG"), "PNG", 3),
        (encode(draw(1, channels=1), "PNG"), "PNG", 1),
        (encode(draw(1, channels=4), "PNG"), "PNG", 4),
        (_saved(Image.fromarray(draw(1)).convert("P"), "PNG"), "PNG", 1),
        (_saved(Image.fromarray(draw(1, channels=1)).convert("1"), "PNG"), "PNG", 1),
        (_saved(Image.fromarray(draw(1, channels=1).astype(np.uint16) * 256), "PNG"), "PNG", 1),
    ],
)
def test_reads_every_kind_of_jpeg_and_png(tmp_path, encoded, format, channels):
    path = tmp_path / "image"
    path.write_bytes(encoded)
    image = read_image(str(path), CONFIG)
    assert (image.format, image.channels) == (format, channels)
    assert image.pixels.shape == (48, 40, 3)
    assert image.pixels.dtype == np.uint8
    assert image.encoded == encoded


_JPEG = encode(draw(1), "JPEG")
_PNG = encode(draw(1), "PNG")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"not an image at all", "not an image"),
        (_JPEG[:3], "not an image"),
        (_JPEG[: len(_JPEG) // 2], "damaged or truncated JPEG"),
        (_PNG[: len(_PNG) // 2], "damaged or truncated PNG"),
        (_png_header(10_000, 10_000), "more than the limit"),
        (_png_header(60_000, 60_000), "more pixels than can be decoded"),
        (_png_header(8, 8), "damaged or truncated PNG"),
        (encode(np.zeros((32, 32, 3), np.uint8)), "blank"),
        (_saved(Image.fromarray(draw(1)), "BMP"), "not an image of format JPEG or PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "not an image"),
        (b"PK\x03\x04" + bytes(100), "not an image"),
    ],
)
def test_rejects_with_a_reason(tmp_path, content, reason):
    path = tmp_path / "image.jpg"
    path.write_bytes(content)
    with pytest.raises(RejectedImageError, match=reason) as rejection:
        read_image(str(path), CONFIG)
    assert str(tmp_path) not in str(rejection.value)


def test_rejects_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    for name, reason in [
        ("pipe.jpg", "not a regular file"),
        ("folder.jpg", "not a regular file|Is a directory"),
        ("dangling.jpg", "No such file"),
    ]:
        with pytest.raises(RejectedImageError, match=reason):
            read_image(str(tmp_path / name), CONFIG)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_rejects_what_may_not_be_read(tmp_path):
    path = tmp_path / "secret.jpg"
    path.write_bytes(_JPEG)
    path.chmod(0)
    with pytest.raises(RejectedImageError, match="Permission denied"):
        read_image(str(path), CONFIG)


def test_rejects_what_is_too_large_before_reading_it(tmp_path):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(RejectedImageError, match="1,000,000,000,000 bytes"):
        read_image(str(path), CONFIG)
