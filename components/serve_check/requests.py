"""What the candidate is asked: test images, in every format that clients send."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import tensorflow as tf
from PIL import Image
from tfx import types
from tfx.types import artifact_utils

from components.transform.preprocessing import ENCODED
from imaging.reader import decode

_SPLIT = "test"
_LOOKED_AT = 1000
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
    """Takes images of the test split, evenly spread, as they are and as PNG and as JPEG.

    Args:
        examples: Ingest's Examples.
        count: How many images.

    Returns:
        Three questions an image, or fewer where there are fewer images.
    """
    files = sorted(tf.io.gfile.glob(f"{artifact_utils.get_split_uri([examples], _SPLIT)}/*"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
    images = [_image(record) for record in islice(records, _LOOKED_AT)]
    chosen = np.unique(np.linspace(0, len(images) - 1, min(count, len(images))).astype(int))
    return [
        question
        for number, index in enumerate(chosen, start=1)
        for question in _in_all_formats(number, images[index])
    ]


def _image(record: bytes) -> bytes:
    example = tf.train.Example.FromString(record)
    return bytes(example.features.feature[ENCODED].bytes_list.value[0])


def _in_all_formats(number: int, encoded: bytes) -> Iterator[Question]:
    yield Question(f"test image {number}", encoded)
    pixels = Image.fromarray(decode(encoded))
    for name in _FORMATS:
        stream = io.BytesIO()
        pixels.save(stream, name)
        yield Question(f"test image {number} as {name}", stream.getvalue())
