"""The transformed Examples of a split, as a stream."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.trainer.versions import Original, Painting
from components.transform.measures import MEASURES
from components.transform.preprocessing import CLASS, GROUP, MEASURED, PIXELS, unpack

_BATCH = 64
_FEATURES = {
    PIXELS: tf.io.FixedLenFeature([], tf.string),
    CLASS: tf.io.FixedLenFeature([], tf.int64),
}


@dataclass(frozen=True)
class TransformedImage:
    """One image, ready for the network.

    Attributes:
        png: Its pixels as a PNG file, all of one size.
        label: Index of its class; `~index`, which is below zero, if all that is known is that it
            is not of that class.
        digest: sha256 of the PNG file, 32 bytes; of what was made of another image, one that tells
            it from that one.
        painting: What is painted on it, in each version anew.
    """

    png: bytes
    label: int
    digest: bytes
    painting: Painting | None = None

    @property
    def original(self) -> Original:
        """What its versions depend on."""
        return Original(self.digest, max(self.label, ~self.label), self.painting)


def read_images(file_patterns: list[str]) -> Iterator[TransformedImage]:
    """Reads one split.

    Args:
        file_patterns: Patterns of gzipped TFRecord files, as Transform writes them.

    Yields:
        The images, in the order of the files.
    """
    for batch in _batches(file_patterns):
        parsed = tf.io.parse_example(batch, _FEATURES)
        for png, label in zip(parsed[PIXELS].numpy(), parsed[CLASS].numpy(), strict=True):
            yield TransformedImage(png, int(label), hashlib.sha256(png).digest())


def read_groups(file_patterns: list[str]) -> dict[bytes, str]:
    """Reads which images of a split show the same picture or patient; no pixel is decoded.

    Args:
        file_patterns: Patterns of gzipped TFRecord files, as Transform writes them.

    Returns:
        Groups by the images' digests, as `TransformedImage` has them. An image that names no group
        is one of its own.
    """
    features = {
        PIXELS: tf.io.FixedLenFeature([], tf.string),
        GROUP: tf.io.FixedLenFeature([], tf.string, default_value=""),
    }
    groups = {}
    for batch in _batches(file_patterns):
        parsed = tf.io.parse_example(batch, features)
        for png, group in zip(parsed[PIXELS].numpy(), parsed[GROUP].numpy(), strict=True):
            digest = hashlib.sha256(png).digest()
            groups[digest] = group.decode() or digest.hex()
    return groups


def read_measures(file_patterns: list[str]) -> NDArray[np.float32]:
    """Reads what the pictures of a split are like; no pixel is decoded.

    Args:
        file_patterns: Patterns of gzipped TFRecord files, as Transform writes them.

    Returns:
        float32 [images, 4], `components.transform.measures.MEASURES`, in the order of the files.
    """
    feature = {MEASURED: tf.io.FixedLenFeature([len(MEASURES)], tf.float32)}
    read = [tf.io.parse_example(one, feature)[MEASURED].numpy() for one in _batches(file_patterns)]
    return np.concatenate(read)


def _batches(file_patterns: list[str]) -> tf.data.Dataset:
    files = sorted(tf.io.gfile.glob(file_patterns))
    return tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_BATCH).prefetch(2)


def decode_pixels(images: list[TransformedImage]) -> tf.Tensor:
    """Unpacks images of one size.

    Args:
        images: At least one.

    Returns:
        uint8 RGB, shape [len(images), height, width, 3].
    """
    return tf.stack([unpack(image.png) for image in images])
