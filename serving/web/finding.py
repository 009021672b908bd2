"""What the model says of an image, in words that people read."""

from dataclasses import dataclass

from components.pages.names import shown
from imaging.thumbnail import data_address
from serving.client import Explanation, Prediction
from serving.web.uploads import Scan

_WORDS = {
    "glioma": "Glioma",
    "meningioma": "Meningioma",
    "notumor": "No tumour",
    "pituitary": "Pituitary tumour",
}


@dataclass(frozen=True)
class Bar:
    """A class and how likely it is.

    Attributes:
        name: The class in words.
        share: Its probability.
        likeliest: Whether it is the answer.
    """

    name: str
    share: float
    likeliest: bool


@dataclass(frozen=True)
class Box:
    """Where the heat lies over the picture, pixels of it."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Link:
    """Where to read more.

    Attributes:
        title: What is there.
        address: Where.
    """

    title: str
    address: str


@dataclass(frozen=True)
class ImageFinding:
    """One result.

    Attributes:
        name: What the file was called, fit to be shown.
        scan: The image.
        result: What the model said.
        links: Where to read more of that version.
    """

    name: str
    scan: Scan
    result: Explanation
    links: tuple[Link, ...] = ()

    @property
    def title(self) -> str:
        """The answer in a few words."""
        return words(self.result.label)

    @property
    def foreign(self) -> bool:
        """Whether the image looks unlike what the model was trained on."""
        return self.result.in_distribution is False

    @property
    def refer(self) -> bool:
        """Whether a reader must decide."""
        return self.result.refer is True

    @property
    def bars(self) -> list[Bar]:
        """All classes, the likeliest first."""
        return bars(self.result)

    @property
    def overlay(self) -> str:
        """The part that the model saw under its heat, as a data: address."""
        return data_address(self.result.overlay, "image/png")

    @property
    def box(self) -> Box:
        """Where that part lies in the picture."""
        width, height = self.scan.width, self.scan.height
        top, left, bottom, right = (
            self.result.crop_box if len(self.result.crop_box) == 4 else (0.0, 0.0, 1.0, 1.0)
        )
        return Box(left * width, top * height, (right - left) * width, (bottom - top) * height)


def bars(result: Prediction) -> list[Bar]:
    """All classes of a result, the likeliest first."""
    ranked = sorted(result.probabilities.items(), key=lambda item: -item[1])
    return [Bar(words(name), share, name == result.label) for name, share in ranked]


def percent(share: float) -> str:
    """A probability as people read it: rounding makes nothing certain or impossible."""
    if share < 0.0005:
        return "<0.1%"
    return ">99.9%" if share >= 0.9995 else f"{share:.1%}"


def words(label: str) -> str:
    """A class's name as people say it."""
    return _WORDS.get(label) or shown(label)
