"""Records and surveys made by hand, with no image behind them."""

import itertools
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from components.ingest.folder import FoundFile, ImageFolder
from components.ingest.records import ImageRecord
from imaging.picture import TechnicalTags
from imaging.quality import Quality


@pytest.fixture
def make_record() -> Callable[..., ImageRecord]:
    """Makes a record; its quality and its tags are given like its other fields."""
    numbers = itertools.count()

    def make(label: str = "glioma", folder_split: str = "train", **fields) -> ImageRecord:
        number = next(numbers)
        quality = {
            name: fields.pop(name, value)
            for name, value in (
                ("mean", 50.0),
                ("std", 30.0),
                ("foreground", 0.5),
                ("aspect", 1.0),
                ("sharpness", 9.0),
                ("border", 0.1),
            )
        }
        name = fields.pop("name", f"{folder_split}/{label}/{number:05}.jpg")
        defaults = {
            "path": f"/nowhere/{name}",
            "name": name,
            "frame": 0,
            "span": 0,
            "file_sha256": f"file {number}",
            "sha256": f"bytes {number}",
            "picture": f"pixels {number}",
            "format": "JPEG",
            "source_format": "JPEG",
            "height": 512,
            "width": 512,
            "channels": 3,
            "tags": TechnicalTags(),
        }
        return ImageRecord(
            label=label,
            folder_split=folder_split,
            quality=Quality(**quality),
            **{**defaults, **fields},
        )

    return make


@pytest.fixture
def make_survey() -> Callable[..., SimpleNamespace]:
    """Makes what an inspection reads of a survey."""

    def make(records, rejections=(), groups=None, pairs=(), seen=(), seen_exactly=()):
        first, second, correlation = zip(*pairs, strict=True) if pairs else ((), (), ())
        names = [record.name for record in records] + [rejection.name for rejection in rejections]
        files = tuple(FoundFile(name, name, "", "train", 0, 1) for name in dict.fromkeys(names))
        return SimpleNamespace(
            folder=ImageFolder("/data/images", files, ("glioma", "notumor")),
            records=tuple(records),
            rejections=tuple(rejections),
            grouping=SimpleNamespace(
                groups=np.arange(len(records)) if groups is None else np.array(groups),
                pairs=SimpleNamespace(
                    first=np.array(first, int),
                    second=np.array(second, int),
                    correlation=np.array(correlation, float),
                ),
            ),
            seen=tuple(index in seen for index in range(len(records))),
            seen_exactly=tuple(index in seen_exactly for index in range(len(records))),
        )

    return make
