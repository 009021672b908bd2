"""Training images that the project's own generator draws, beside those of the split."""

import hashlib
import io
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import tensorflow as tf
from PIL import Image

from components.trainer.config import Recipe
from components.trainer.healthy import Images
from components.trainer.inputs import TransformedImage
from components.transform.config import TransformConfig
from components.transform.preprocessing import preprocess
from samples.synthetic import CLASSES
from samples.synthetic.rendering import render

_LOG = logging.getLogger(__name__)
_APART = 2**64
"""Added to the seed, so that no image has the anatomy of one of the sample's, whose are smaller."""
_SIZE = (200, 256)
"""Smallest and largest longer side in pixels: what the network sees is smaller."""


def synthetic_images(recipe: Recipe) -> Images | None:
    """Draws images of each class, and makes of them what the network sees.

    Args:
        recipe: How many, and what is done to pixels; `train.augment.seed` decides which.

    Returns:
        The images; None if there are none, for a reason that the log tells.
    """
    count = recipe.train.synthetic
    if not count:
        return None
    unknown = [name for name in recipe.classes if name not in CLASSES]
    if unknown:
        _LOG.warning(
            "the generator draws no %s, so train.synthetic adds nothing", " and no ".join(unknown)
        )
        return None
    drawn = _draw(count, recipe.classes, recipe.transform, recipe.train.augment.seed)
    return lambda: drawn


@lru_cache(maxsize=1)  # a search trains on the same ones in every trial
def _draw(
    count: int, classes: tuple[str, ...], transform: TransformConfig, seed: int
) -> tuple[TransformedImage, ...]:
    _LOG.info("drawing %s synthetic images", f"{count * len(classes):,}")
    see = tf.function(partial(preprocess, config=transform), autograph=False)
    drawn = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for label, name in enumerate(classes):
            for file in pool.map(partial(_file, name, seed), range(count)):
                png = tf.io.encode_png(see(tf.constant([file]))[0]).numpy()
                drawn.append(TransformedImage(png, label, hashlib.sha256(png).digest()))
    return tuple(drawn)


def _file(label: str, seed: int, index: int) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    rendering = render(label, seed=_APART + seed, index=index, size=_SIZE, even=True)
    Image.fromarray(rendering.image).save(file, "PNG", compress_level=1)
    return file.getvalue()
