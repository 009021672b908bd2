"""Training images of the project's own generator."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.config import ModelConfig, Recipe, TrainConfig
from components.trainer.synthetic import synthetic_images
from components.transform.config import TransformConfig
from components.transform.preprocessing import preprocess, unpack
from samples.synthetic import CLASSES
from samples.synthetic.rendering import render

pytestmark = pytest.mark.long


def _recipe(count: int, classes: tuple[str, ...] = CLASSES, seed: int = 0) -> Recipe:
    train = TrainConfig(synthetic=count)
    return Recipe(
        model=ModelConfig(),
        train=train.model_copy(update={"augment": train.augment.model_copy(update={"seed": seed})}),
        transform=TransformConfig(image_size=48, crop="head", levels="head"),
        classes=classes,
    )


def test_each_class_is_drawn_as_the_network_sees_it():
    images = list(synthetic_images(_recipe(2))())
    assert [image.label for image in images] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len({image.digest for image in images}) == 8
    pixels = np.stack([unpack(tf.constant(image.png)).numpy() for image in images])
    assert pixels.shape == (8, 48, 48, 3)
    # The head fills the frame, and its levels fill the range.
    assert (pixels.max(axis=(1, 2, 3)) > 220).all()
    assert (pixels[..., 0].max(axis=2) > 40).mean() > 0.8


def test_the_same_seed_draws_the_same_images_and_another_seed_draws_others():
    digests = [
        {image.digest for image in synthetic_images(_recipe(1, seed=seed))()} for seed in (0, 0, 1)
    ]
    assert digests[0] == digests[1]
    assert not digests[0] & digests[2]


def test_no_image_of_the_sample_is_among_them():
    drawn = {}
    for seed in (0, 2**64):
        drawn[seed] = render("notumor", seed=seed, index=0, size=(200, 256), even=True).image
    [first] = [one for one in synthetic_images(_recipe(1))() if one.label == 2]
    seen = unpack(tf.constant(first.png)).numpy()
    for seed, is_same in ((0, False), (2**64, True)):
        file = tf.io.encode_png(drawn[seed][..., np.newaxis])
        same = preprocess(file[tf.newaxis], _recipe(1).transform)[0].numpy()
        assert np.array_equal(same, seen) is is_same


def test_nothing_is_drawn_if_not_asked_for_and_unknown_classes_are_named(caplog):
    assert synthetic_images(_recipe(0)) is None
    with caplog.at_level(logging.WARNING):
        assert synthetic_images(_recipe(3, (*CLASSES, "abscess"))) is None
    assert "the generator draws no abscess" in caplog.text
