"""What the model says of an image, in words that people read."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.pages.names import shown
from serving.web.judging import Judged

_WORDS = {
    "glioma": "Glioma",
    "meningioma": "Meningioma",
    "notumor": "No tumour",
    "pituitary": "Pituitary tumour",
}


@dataclass(frozen=True)
class FileFinding(Judged):
    """The results of a file that was sent.

    Attributes:
        number: Its place among the files of its request, counted from 0.
        name: What the file was called, fit to be shown.
        links: Where to read more of the version that answered: titles and addresses.
    """

    number: int
    name: str
    links: Sequence[tuple[str, str]]


def percent(share: float) -> str:
    """A probability as people read it: rounding makes nothing certain or impossible."""
    if share < 0.0005:
        return "<0.1%"
    return ">99.9%" if share >= 0.9995 else f"{share:.1%}"


def words(label: str) -> str:
    """A class's name as people say it."""
    return _WORDS.get(label) or shown(label)
