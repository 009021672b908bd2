import io

import pytest
from drawing import draw
from PIL import Image

from imaging.thumbnail import data_address, thumbnail


@pytest.mark.parametrize(
    ("size", "expected"),
    [((512, 400), (100, 128)), ((40, 48), (48, 40)), ((5000, 3), (1, 128)), ((1, 1), (1, 1))],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_thumbnails_are_small_and_keep_their_shape(size, expected, channels):
    content = thumbnail(draw(0, size, channels), 128)
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size) == ("JPEG", expected)
    assert len(content) < 9_000


def test_an_address_holds_the_file():
    assert data_address(b"\xff\xd8") == "data:image/jpeg;base64,/9g="
    assert data_address(b"\x89", "image/png") == "data:image/png;base64,iQ=="
