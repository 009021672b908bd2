"""What the frozen layers make of a folder's images, a row of numbers an image."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import UsageError
from components.ingest.kept import PictureWriter, Place, kept_picture
from components.ingest.records import ImageRecord
from components.progress import told
from components.trainer.config import Recipe
from components.trainer.inputs import TransformedImage
from components.trainer.parts import frozen_prefix, initial_network, training_parts
from components.transform.preprocessing import preprocess

_BATCH = 16

Features = np.ndarray[Any, np.dtype[np.float32]]


def pooled_features(
    records: Sequence[ImageRecord], pictures: Path, recipe: Recipe, cache: Path
) -> Features:
    """Runs each image through the frozen layers once, or finds what a training made of it.

    Args:
        records: The images, at least one; all were kept.
        pictures: The folder that they were kept in; what is forgotten afterwards goes there, too.
        recipe: The network, and what is done to pixels.
        cache: The folder that trainings have their features in.

    Returns:
        float32 [records, numbers]: the mean of each channel over the map.

    Raises:
        PipelineError: No layer is frozen, the weights are not available, or the disk is full.
    """
    parts = training_parts(recipe, initial_network(recipe))
    if parts.prefix is None:
        raise UsageError(
            "The preset freezes no layer whose features could be compared: lower "
            f"model.trainable_convolutions (it is {recipe.model.trainable_convolutions})."
        )
    seen = _see(records, pictures, recipe)

    def images() -> Iterator[TransformedImage]:
        for place, sha256 in seen:
            png = kept_picture(pictures, place, sha256)
            yield TransformedImage(png, 0, bytes.fromhex(sha256))

    original = recipe.train.augment.model_copy(update={"versions": 1, "keep_original": True})
    [found] = frozen_prefix(recipe, parts, cache).features((images, original))
    [store] = found.versions
    pooled = {digest: _pool(store[digest]) for digest in set(found.digests)}
    return np.stack([pooled[bytes.fromhex(sha256)] for _, sha256 in seen])


def _see(records: Sequence[ImageRecord], pictures: Path, recipe: Recipe) -> list[tuple[Place, str]]:
    """Makes of each picture what the network sees, as Transform does, and keeps it."""
    see = tf.function(
        partial(preprocess, config=recipe.transform),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    seen = []
    with closing(PictureWriter(pictures)) as writer:
        starts = range(0, len(records), _BATCH)
        for start in told(starts, len(starts), "framing heads"):
            encoded = [
                kept_picture(pictures, record.kept, record.sha256)
                for record in records[start : start + _BATCH]
                if record.kept is not None
            ]
            for pixels in see(tf.constant(encoded)):
                png = tf.io.encode_png(pixels).numpy()
                seen.append((writer.put(png), hashlib.sha256(png).hexdigest()))
    return seen


def _pool(activations: np.ndarray[Any, Any]) -> Features:
    pooled: Features = activations.astype(np.float32).mean(axis=(0, 1))
    return pooled
