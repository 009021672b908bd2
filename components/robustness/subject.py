"""An image that is changed, and its head."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

from imaging.head import find_head
from imaging.picture import Levels
from imaging.reader import decode

SIDE = 256
"""Pixels of the longer side, at most: enough for the networks here, and a change takes 2 ms."""

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Subject:
    """A picture in grey, and where its head is.

    Attributes:
        pixels: uint8 [height, width].
        head: Which pixels belong to the head, bool [height, width]; all if none can be told.
        digest: Of the image; what is drawn for a change follows from it.
        style: The image of another class that gives its style, if there is one.
    """

    pixels: Levels
    head: Mask
    digest: str
    style: "Subject | None" = None

    @staticmethod
    def read(encoded: bytes, digest: str) -> "Subject":
        """Reads an image.

        Args:
            encoded: A JPEG or PNG file.
            digest: Of the image.
        """
        image = Image.fromarray(decode(encoded)).convert("L")
        image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
        head = find_head(pixels).mask(*pixels.shape)
        return Subject(pixels, head if head.any() else np.ones_like(head), digest)

    def in_style_of(self, other: "Subject") -> "Subject":
        """The same image, with another that gives its style."""
        return replace(self, style=replace(other, style=None))

    @cached_property
    def grey(self) -> Grey:
        """The picture, float32 [height, width], 0 to 255."""
        return self.pixels.astype(np.float32)

    @cached_property
    def levels(self) -> Grey:
        """The head's levels, float32 [pixels]."""
        return self.grey[self.head]

    @property
    def is_flat(self) -> bool:
        """Whether the head has one level only: such an image has no style, and shows nothing."""
        return bool(self.levels.min() == self.levels.max())

    @property
    def longest(self) -> int:
        """Pixels of the longer side."""
        height, width = self.pixels.shape
        return int(max(height, width))

    @cached_property
    def box(self) -> tuple[slice, slice]:
        """The rows and the columns that the head lies in."""
        rows, columns = (np.flatnonzero(self.head.any(axis)) for axis in (1, 0))
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    def random(self, what: str) -> np.random.Generator:
        """Draws for this image: the same image and change give the same, wherever they come.

        Args:
            what: What is drawn.
        """
        seed = hashlib.sha256(f"{what} {self.digest}".encode()).digest()
        return np.random.default_rng(int.from_bytes(seed[:8], "big"))


def resized(
    levels: Grey,
    shape: tuple[int, ...],
    resampling: Image.Resampling = Image.Resampling.BILINEAR,
) -> Grey:
    """A picture of another size.

    Args:
        levels: float32 [height, width].
        shape: The new height and width.
        resampling: How levels between are found.
    """
    height, width = shape
    image = Image.fromarray(np.ascontiguousarray(levels))
    return np.asarray(image.resize((width, height), resampling), np.float32)
