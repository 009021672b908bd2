"""The pictures of an inspection: which images are shown, and their thumbnails."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from components.ingest.inspection.numbers import image_number
from components.pages.names import shown
from imaging.picture import RejectedImageError
from imaging.thumbnail import data_address, thumbnail

if TYPE_CHECKING:
    from components.ingest.config import IngestConfig
    from components.ingest.records import ImageRecord

_SIDE = 128
_QUALITY = 80
_Item = TypeVar("_Item")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Thumbnail:
    """One image on the page.

    Attributes:
        source: The thumbnail as a data URI; empty where the image can no longer be read.
        name: What the page calls it.
        label: Class name, fit to be shown.
        split: `train`, `eval` or `test`, by the folder that it came in.
        size: `WIDTH x HEIGHT` of the image itself.
    """

    source: str
    name: str
    label: str
    split: str
    size: str


@dataclass
class Album:
    """Draws thumbnails of records, each once.

    Attributes:
        records: The images.
        config: As they were read before.
    """

    records: Sequence[ImageRecord]
    config: IngestConfig
    _drawn: dict[int, Thumbnail] = field(default_factory=dict)

    def __getitem__(self, index: int) -> Thumbnail:
        """The picture of a record, by its index."""
        if index not in self._drawn:
            self._drawn[index] = self._draw(index)
            _LOG.info("drawing thumbnails, %d", len(self._drawn))
        return self._drawn[index]

    def _draw(self, index: int) -> Thumbnail:
        from components.ingest.looks import read_picture

        record = self.records[index]
        try:
            pixels = read_picture(record, self.config)
            source = data_address(thumbnail(pixels, _SIDE, _QUALITY))
        except RejectedImageError:  # changed since it was read: the page shows a gap
            source = ""
        return Thumbnail(
            source=source,
            name=image_number(index),
            label=shown(record.label),
            split=record.folder_split,
            size=f"{record.width} x {record.height}",
        )


def examples(records: Sequence[ImageRecord], per_class: int) -> dict[str, list[int]]:
    """Draws images of each class at random; the same images are drawn each time.

    Args:
        records: All images.
        per_class: At most how many of each class.

    Returns:
        Indices of records by class name.
    """
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        by_label[record.label].append(index)
    random = np.random.default_rng(0)
    return {
        label: sorted(random.permutation(by_label[label])[:per_class].tolist())
        for label in sorted(by_label)
    }


def spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """Picks items evenly between the first and the last, both included.

    Args:
        items: Any, in an order that means something.
        count: How many.

    Returns:
        At most `count` of them, in order.
    """
    if len(items) <= count:
        return list(items)
    return [items[round(position)] for position in np.linspace(0, len(items) - 1, count)]
