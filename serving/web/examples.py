"""Synthetic images to try the page with, from a folder that `mri data sample` has made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.errors import UsageError
from components.pages.names import shown
from imaging.picture import RejectedImageError
from imaging.reader import decode
from imaging.thumbnail import thumbnail

_MANIFEST = "sample.json"
_LONGEST_EDGE = 160  # twice what is shown, for fine screens


@dataclass(frozen=True)
class Example:
    """A synthetic image.

    Attributes:
        content: The file's bytes.
        thumbnail: A small JPEG file of it.
    """

    content: bytes
    thumbnail: bytes


@dataclass(frozen=True)
class Examples:
    """All that there are, in memory.

    Attributes:
        notice: Where they come from.
        images: By the class that was painted, which names them in addresses and forms.
    """

    notice: str = ""
    images: Mapping[str, Example] = field(default_factory=dict)

    @staticmethod
    def read(folder: Path | None) -> "Examples":
        """Reads the first test image of each class.

        Args:
            folder: A synthetic sample; None: there are no examples.

        Raises:
            PipelineError: It is not a synthetic sample, or cannot be read.
        """
        if folder is None:
            return Examples()
        try:
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            if manifest["kind"] != "synthetic":
                raise ValueError("other images")
            places = sorted(path for path in (folder / "Testing").iterdir() if path.is_dir())
            firsts = {place.name: min(place.glob("*.jpg"), default=None) for place in places}
            images = {name: _read(first) for name, first in firsts.items() if first}
            return Examples(str(manifest["notice"]), images)
        except (OSError, ValueError, KeyError, TypeError, RejectedImageError):
            raise UsageError(
                f"{shown(str(folder))} is not a synthetic sample: make one elsewhere with "
                "`mri data sample FOLDER`, or leave the variable empty."
            ) from None


def _read(file: Path) -> Example:
    content = file.read_bytes()
    return Example(content, thumbnail(decode(content), _LONGEST_EDGE, quality=80))
