"""What the candidate is asked: test images, in every format that clients send."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from PIL import Image
from tfx import types
from tfx.types import artifact_utils

from components.transform.preprocessing import ENCODED
from imaging.reader import decode

_SPLIT = "test"
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
    files = sorted(tf.io.gfile.glob(f"{artifact_utils.get_split_uri([examples], _SPLIT)}/*"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    images = sum(1 for _ in records)
    # Files come in the order of classes, so that what is evenly spread is of all of them.
    chosen = set(np.linspace(0, images - 1, min(count, images)).astype(int).tolist())
    encoded = (_image(record.numpy()) for row, record in enumerate(records) if row in chosen)
    return [
        question
        for number, image in enumerate(encoded, start=1)
        for question in _in_all_formats(number, image)
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
