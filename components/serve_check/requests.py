"""What the candidate is asked: test images, in every format that clients send."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from PIL import Image
from tfx import types
from tfx.types import artifact_utils

from components.transform.records import encoded_image, read_records
from imaging.reader import decode

_SPLIT = "test"
_BATCH = 16
_FORMATS = ("PNG", "JPEG")


@dataclass(frozen=True)
class Question:
    """One image in one format.

    Attributes:
        name: What a reason calls it; images are numbered, as file names may name patients.
        encoded: The bytes of the file.
    """

    name: str
    encoded: bytes


def read_questions(examples: types.Artifact, count: int) -> list[Question]:
    """Takes images of the whole test split, evenly spread, as they are and as PNG and as JPEG.

    Args:
        examples: Ingest's Examples.
        count: How many images.

    Returns:
        Three questions an image, or fewer where there are fewer images.
    """
    folder = artifact_utils.get_split_uri([examples], _SPLIT)
    images = sum(len(records) for records in read_records(folder, _BATCH))
    # Files come in the order of classes, so that what is evenly spread is of all of them.
    chosen = set(np.linspace(0, images - 1, min(count, images)).astype(int).tolist())
    records = chain.from_iterable(read_records(folder, _BATCH))
    encoded = (encoded_image(record) for row, record in enumerate(records) if row in chosen)
    return [
        question
        for number, image in enumerate(encoded, start=1)
        for question in _in_all_formats(number, image)
    ]


def _in_all_formats(number: int, encoded: bytes) -> Iterator[Question]:
    yield Question(f"test image {number}", encoded)
    pixels = Image.fromarray(decode(encoded))
    for name in _FORMATS:
        stream = io.BytesIO()
        pixels.save(stream, name)
        yield Question(f"test image {number} as {name}", stream.getvalue())
