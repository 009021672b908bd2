"""What the model says of an image, in words that people read."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.pages.names import shown
from serving.client import Explanation
from serving.web.uploads import Scan

_WORDS = {
    "glioma": "Glioma",
    "meningioma": "Meningioma",
    "notumor": "No tumour",
    "pituitary": "Pituitary tumour",
}


@dataclass(frozen=True)
class ImageFinding:
    """One result.

    Attributes:
        name: What the file was called, fit to be shown.
        scan: The image.
        result: What the model said.
        links: Where to read more of that version: titles and addresses.
    """

    name: str
    scan: Scan
    result: Explanation
    links: Sequence[tuple[str, str]]


def percent(share: float) -> str:
    """A probability as people read it: rounding makes nothing certain or impossible."""
    if share < 0.0005:
        return "<0.1%"
    return ">99.9%" if share >= 0.9995 else f"{share:.1%}"


def words(label: str) -> str:
    """A class's name as people say it."""
    return _WORDS.get(label) or shown(label)
