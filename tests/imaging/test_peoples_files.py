"""Files as people have them: the right picture, or a reason; and nothing beside the picture."""

import numpy as np
import pytest
from peoples_files import NAMES, RASTERS, PeoplesFile

from imaging.config import ReadConfig
from imaging.picture import RejectedImageError
from imaging.reader import decode, read_content

AS_THEY_ARE = ReadConfig(outside="keep")
SHOWN = [file for file in RASTERS if file.shown is not None]
REJECTED = [file for file in RASTERS if file.shown is None]


@pytest.mark.parametrize("file", SHOWN, ids=str)
def test_the_picture_is_what_the_file_shows(file: PeoplesFile):
    (image,) = read_content(file.content, AS_THEY_ARE).images
    shown = file.shown if file.shown.ndim == 3 else np.repeat(file.shown[..., None], 3, axis=2)
    assert image.pixels.shape == shown.shape
    assert np.abs(image.pixels.astype(int) - shown).max() <= file.near


@pytest.mark.parametrize("file", SHOWN, ids=str)
def test_what_is_passed_on_shows_the_same_and_says_nothing_else(file: PeoplesFile):
    (image,) = read_content(file.content, AS_THEY_ARE).images
    np.testing.assert_array_equal(decode(image.encoded), image.pixels)
    assert not any(name in image.encoded for name in NAMES)
    again = read_content(image.encoded, AS_THEY_ARE).images[0]
    assert again.encoded == image.encoded


@pytest.mark.parametrize("file", REJECTED, ids=str)
def test_a_file_that_lacks_a_part_of_its_picture_is_rejected(file: PeoplesFile):
    with pytest.raises(RejectedImageError, match="damaged") as rejection:
        read_content(file.content, AS_THEY_ARE)
    assert not any(name.decode() in str(rejection.value) for name in NAMES)


@pytest.mark.parametrize("name", ["grey.jpg", "colour.jpg", "named.jpg", "hidden.jpg"])
def test_a_jpeg_stays_a_jpeg(name: str):
    file = next(file for file in RASTERS if file.name == name)
    (image,) = read_content(file.content, AS_THEY_ARE).images
    assert (image.format, image.encoded[:2]) == ("JPEG", b"\xff\xd8")
    assert len(image.encoded) <= len(file.content)


@pytest.mark.parametrize("name", ["grey.png", "colour.png", "named.png", "inverse-palette.png"])
def test_a_plain_png_keeps_its_data_as_they_are(name: str):
    file = next(file for file in RASTERS if file.name == name)
    data = file.content.index(b"IDAT") - 4
    length = 12 + int.from_bytes(file.content[data : data + 4], "big")
    (image,) = read_content(file.content, AS_THEY_ARE).images
    assert file.content[data : data + length] in image.encoded
