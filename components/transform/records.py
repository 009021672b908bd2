"""Ingest's tf.Examples as they are stored: serialised, in gzipped TFRecord files."""

from collections.abc import Iterator

import tensorflow as tf

from components.transform.preprocessing import ENCODED


def read_records(folder: str, batch_size: int) -> Iterator[list[bytes]]:
    """Reads the records of a split, a batch at a time.

    Args:
        folder: The split's.
        batch_size: Records a batch.

    Yields:
        Serialised tf.Examples.
    """
    files = sorted(tf.io.gfile.glob(f"{folder}/*"))
    if not files:
        return
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    for batch in records.batch(batch_size).prefetch(1):
        yield list(batch.numpy())


def encoded_image(record: bytes) -> bytes:
    """The bytes of the image file in an Example."""
    example = tf.train.Example.FromString(record)
    return bytes(example.features.feature[ENCODED].bytes_list.value[0])
