"""Synthetic images to try the page with, from a folder that `mri data sample` has made."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.errors import PipelineError
from components.pages.names import shown
from imaging.picture import RejectedImageError
from imaging.reader import decode
from imaging.thumbnail import thumbnail
from serving.web.finding import words

_MANIFEST = "sample.json"
_LONGEST_EDGE = 160  # twice what is shown, for fine screens


@dataclass(frozen=True)
class Example:
    """A synthetic image.

    Attributes:
        name: The class that was painted: its name in addresses and forms.
        content: The file's bytes.
        thumbnail: A small JPEG file of it.
    """

    name: str
    content: bytes
    thumbnail: bytes

    @property
    def title(self) -> str:
        """The class in words."""
        return words(self.name)


@dataclass(frozen=True)
class Examples:
    """All that there are, in memory.

    Attributes:
        notice: Where they come from.
        images: By name.
    """

    notice: str = ""
    images: Mapping[str, Example] = field(default_factory=dict)

    @staticmethod
    def read(folder: Path | None) -> "Examples":
        """Reads the first test image of each class.

        Args:
            folder: A synthetic sample; None: there are no examples.

        Raises:
            PipelineError: It is no synthetic sample, or cannot be read.
        """
        if folder is None:
            return Examples()
        try:
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            if manifest["kind"] != "synthetic":
                raise ValueError("other images")
            images = {example.name: example for example in _first_of_each(folder / "Testing")}
            return Examples(str(manifest["notice"]), images)
        except (OSError, ValueError, KeyError, TypeError, RejectedImageError):
            raise PipelineError(
                f"{shown(str(folder))} is no synthetic sample: make one elsewhere with "
                "`mri data sample FOLDER`, or name none."
            ) from None


def _first_of_each(folder: Path) -> Iterator[Example]:
    for place in sorted(folder.iterdir()):
        for file in sorted(place.glob("*.jpg"))[:1]:
            content = file.read_bytes()
            yield Example(
                place.name, content, thumbnail(decode(content), _LONGEST_EDGE, quality=80)
            )
