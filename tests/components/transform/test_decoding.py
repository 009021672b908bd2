"""The served graph sees the picture that `imaging` sees, or refuses the file."""

import numpy as np
import pytest
import tensorflow as tf
from generated_files import picture_files
from hypothesis import HealthCheck, given, settings
from peoples_files import PICTURE, RASTERS, PeoplesFile, chunk, exif, png, saved

from components.transform.decoding import decode, decode_stored
from imaging.config import ReadConfig
from imaging.picture import RejectedImageError
from imaging.reader import DecodedImage, read_content

stored = tf.function(decode_stored, input_signature=[tf.TensorSpec([], tf.string)])

AS_THEY_ARE = ReadConfig(outside="keep")


def _seen(content: bytes) -> np.ndarray | None:
    """What the graph sees; None where it refuses."""
    try:
        return decode(tf.constant(content)).numpy()
    except tf.errors.InvalidArgumentError:
        return None


def _read(content: bytes) -> DecodedImage | str:
    try:
        return read_content(content, AS_THEY_ARE).images[0]
    except RejectedImageError as rejection:
        return str(rejection)


def _check(content: bytes) -> bool:
    """Compares the two; tells whether the graph took the file itself."""
    read, seen = _read(content), _seen(content)
    if isinstance(read, str):
        assert seen is None or read.startswith("blank")
        return False
    np.testing.assert_array_equal(_seen(read.encoded), read.pixels)
    np.testing.assert_array_equal(stored(tf.constant(read.encoded)), read.pixels)
    if seen is not None:
        np.testing.assert_array_equal(seen, read.pixels)
    return seen is not None


@pytest.mark.parametrize("file", RASTERS, ids=str)
def test_the_graph_agrees_with_ingest_or_refuses(file: PeoplesFile):
    _check(file.content)


@pytest.mark.parametrize(
    "name",
    ["grey.jpg", "colour.jpg", "hidden.jpg", *(f"turned-{one}-big.jpg" for one in range(1, 9)),
     "grey.png", "colour.png", "12-bits-in-16.png", "12-bits-colour.png", "12-bits-rgba.png",
     "half-transparent.png", "inverse-palette.png", "palette-with-transparency.png",
     "turned-by-the-end.png", "4-bits-transparent.png", "colour.bmp", "grey.bmp",
     "inverse-palette.bmp"],
)  # fmt: skip
def test_the_graph_takes_what_clients_have(name: str):
    assert _check(next(file for file in RASTERS if file.name == name).content)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=picture_files())
def test_the_graph_agrees_with_ingest_on_any_file(content: bytes):
    _check(content)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=picture_files())
def test_the_graph_agrees_with_ingest_on_thousands_of_files(content: bytes):
    _check(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Neither JPEG, PNG nor BMP"),
        (b"no image", "Neither JPEG, PNG nor BMP"),
        (b"\xff\xd8\xff", "truncated or damaged"),
        (saved(PICTURE, "JPEG")[:200], "truncated or damaged"),
        (saved(PICTURE, "JPEG")[:-300] + b"\xff\xd9", "truncated"),
        (saved(PICTURE, "JPEG", progressive=True), "progressive.*send it as PNG"),
        (saved(np.dstack([PICTURE] * 4), "TIFF"), "Neither JPEG"),
        (saved(PICTURE, "GIF"), "Neither JPEG, PNG nor BMP"),
        (saved(PICTURE, "PNG")[:-12], "truncated PNG file"),
        (saved(PICTURE, "BMP")[:40], "(?i)bmp"),
    ],
)
def test_a_refusal_says_why(content: bytes, reason: str):
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        decode(tf.constant(content))


@pytest.mark.parametrize(
    "data",
    [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08", b"II*\0\x08\0\0\0\xff\xff",
     exif(6)[:30], exif(6, kind=4), exif(0), exif(9), b"XX" + exif(6)[2:]],
)  # fmt: skip
def test_damaged_exif_turns_nothing(data: bytes):
    for content in (saved(PICTURE, "JPEG", exif=b"Exif\0\0" + data),
                    png(PICTURE, 0, 8, chunk(b"eXIf", data))):  # fmt: skip
        seen = _seen(content)
        assert seen.shape == (*PICTURE.shape, 3)
        np.testing.assert_array_equal(seen, read_content(content, AS_THEY_ARE).images[0].pixels)


def test_a_picture_with_a_grey_corner_is_no_cut_one():
    grey = np.full((40, 40), 128, np.uint8)
    grey[:20, :20] = PICTURE[20:40, 20:40]
    assert _check(saved(grey, "JPEG"))
