"""Versions of training images: painted on, moved, relit, restyled.

What is drawn depends on the image, the version and the seed, and on nothing else: the same version
of an image is the same in any order, batch and run.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf

from components.trainer.appearance.bank import StyleBank
from components.trainer.appearance.head import grey_levels, head_mask, normalised
from components.trainer.appearance.lesions import paint_decoy, paint_lesion
from components.trainer.appearance.styles import restyle, take_style
from components.trainer.augment import augment
from components.trainer.config import AugmentConfig
from imaging.head import Grey, Mask, Pixels

Painting = Literal["lesion", "decoy"]
_PAINT: dict[Painting, Callable[[Grey, Mask, np.random.Generator], Grey]] = {
    "lesion": paint_lesion,
    "decoy": paint_decoy,
}
_PAINTED, _STYLED = 1, 2
"""Tell the generators of an image's version apart."""


@dataclass(frozen=True)
class Original:
    """What versions of an image depend on, beside its pixels.

    Attributes:
        digest: Tells it from others, 32 bytes.
        appearance: The class whose images it looks like: its own, or the healthy one if something
            was painted on it.
        painting: What is painted on it.
    """

    digest: bytes
    appearance: int
    painting: Painting | None = None


def make_versions(
    pixels: tf.Tensor,
    subjects: Sequence[Original],
    version: int,
    config: AugmentConfig,
    styles: StyleBank | None = None,
) -> tf.Tensor:
    """Makes one version of each image.

    Args:
        pixels: uint8 RGB, shape [batch, height, width, 3].
        subjects: Of the images.
        version: Which version, from 0.
        config: What may be drawn, within which bounds.
        styles: Whose styles are taken, for `swap`.

    Returns:
        uint8, shape of `pixels`. What was painted or restyled is grey. An image without a head is
        neither.
    """
    if version == 0 and config.keep_original:
        return pixels

    def painted(pixels: Pixels, subject: Original) -> Pixels:
        mask = head_mask(pixels) if subject.painting else None
        if subject.painting is None or mask is None:
            return pixels
        paint = _PAINT[subject.painting]
        return _rgb(
            paint(grey_levels(pixels), mask, _generator(subject, version, config, _PAINTED))
        )

    def styled(pixels: Pixels, subject: Original) -> Pixels:
        generator = _generator(subject, version, config, _STYLED)
        restyled = generator.random() < config.styles
        mask = head_mask(pixels) if restyled or config.levels else None
        if mask is None:
            return pixels
        grey = grey_levels(pixels)
        if restyled:
            grey = _in_another_style(grey, mask, subject, config, styles, generator)
        return _rgb(normalised(grey, mask) if config.levels else grey)

    if any(subject.painting for subject in subjects):
        pixels = _each(painted, pixels, subjects)
    varied = augment(pixels, [subject.digest for subject in subjects], version, config)
    if config.styles or config.levels:
        varied = _each(styled, varied, subjects)
    return varied


def _in_another_style(
    grey: Grey,
    mask: Mask,
    subject: Original,
    config: AugmentConfig,
    styles: StyleBank | None,
    generator: np.random.Generator,
) -> Grey:
    swapped = generator.random() < config.swap
    if swapped and styles:
        other = styles.other_than(subject.appearance, generator)
        if other:
            return take_style(grey, mask, other.grey, other.levels, generator)
    return restyle(grey, mask, generator)


def _generator(
    subject: Original, version: int, config: AugmentConfig, what: int
) -> np.random.Generator:
    number = int.from_bytes(subject.digest[:16], "little")
    return np.random.default_rng([config.seed, version, what, number])


def _each(
    change: Callable[[Pixels, Original], Pixels], pixels: tf.Tensor, subjects: Sequence[Original]
) -> tf.Tensor:
    """Changes each image of a batch, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return tf.constant(
            np.stack(list(pool.map(change, tf.convert_to_tensor(pixels).numpy(), subjects)))
        )


def _rgb(grey: Grey) -> Pixels:
    """uint8 [height, width, 3] of levels in 0..255."""
    levels = np.rint(grey).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)
