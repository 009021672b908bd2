"""The pictures of a file, before any of them is made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imaging.picture import Picture
from imaging.viewing import PlainViewer, Viewer


@dataclass(frozen=True)
class Pictures:
    """The pictures of a file, each made when it is asked for.

    Attributes:
        frames: How many frames or slices the file has.
        numbers: Those of them that are taken, counted from 0.
        make: Makes the picture of a number; it raises `RejectedImageError` if that frame is bad.
        pixels: Of one frame, as it is stored.
        viewer: Gives the same frames for a person who looks at them.
    """

    frames: int
    numbers: Sequence[int]
    make: Callable[[int], Picture]
    pixels: int
    viewer: Callable[[], Viewer]

    @staticmethod
    def of(picture: Picture) -> "Pictures":
        """The one picture of a file."""
        height, width = picture.levels.shape[:2]
        return Pictures(1, (0,), lambda _: picture, height * width, lambda: PlainViewer(picture))
