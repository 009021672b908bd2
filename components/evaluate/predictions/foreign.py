"""Images that are no brain MRI, to measure whether the model notices.

None of them is what the model's score was fitted on: they are made here, from the test images, from
noise and letters, and from the photographs that come with scikit-learn.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from imaging.reader import decode, encode

EACH = 24
"""Images of each kind."""
_SIDE = 224
_TILES = 8

Pixels = npt.NDArray[np.uint8]


def foreign_images(encoded: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Makes foreign images; the same test images give the same.

    Args:
        encoded: Image files of brain MRI, up to `EACH`, of which inverted and shuffled ones are
            made: a sample, as its draw is the caller's.

    Yields:
        The kind, and a PNG file.
    """
    random = np.random.default_rng(0)
    for pixels in _photographs(random):
        yield "photograph", encode(pixels)
    for _ in range(EACH):
        yield "noise", encode(random.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8))
    for _ in range(EACH):
        yield "text", encode(_text(random))
    for one in encoded:
        pixels = decode(one)
        yield "inverted MRI", encode(255 - pixels)
        yield "shuffled MRI", encode(_shuffle(pixels, random))


def _photographs(random: np.random.Generator) -> Iterator[Pixels]:
    """Cut-outs of different place and size."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    for index in range(EACH):
        photograph = photographs[index % len(photographs)]
        side = int(random.integers(160, min(photograph.shape[:2]) + 1))
        top = int(random.integers(0, photograph.shape[0] - side + 1))
        left = int(random.integers(0, photograph.shape[1] - side + 1))
        yield np.ascontiguousarray(photograph[top : top + side, left : left + side])


def _text(random: np.random.Generator) -> Pixels:
    page = Image.new("RGB", (_SIDE, _SIDE), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=int(random.integers(10, 22)))
    letters = list("abcdefghijklmnopqrstuvwxyz     ")
    for line in range(8, _SIDE - 16, 24):
        draw.text((8, line), "".join(random.choice(letters, 40)), fill=(20, 20, 20), font=font)
    return np.asarray(page)


def _shuffle(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Moves the image's tiles about: its grey levels stay, its anatomy goes."""
    small = np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE)))
    side = _SIDE // _TILES
    tiles = small.reshape(_TILES, side, _TILES, side, 3).transpose(0, 2, 1, 3, 4)
    mixed = tiles.reshape(-1, side, side, 3)[random.permutation(_TILES * _TILES)]
    whole = mixed.reshape(_TILES, _TILES, side, side, 3).transpose(0, 2, 1, 3, 4)
    return np.asarray(whole.reshape(_SIDE, _SIDE, 3), np.uint8)
