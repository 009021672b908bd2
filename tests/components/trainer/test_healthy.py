"""What is made of healthy training images."""

import hashlib
import logging
from collections import Counter

import numpy as np
import pytest
from drawing import brain, encode

from components.trainer.config import PaintConfig, TrainConfig
from components.trainer.healthy import healthy_class, made_of_healthy
from components.trainer.inputs import TransformedImage

CLASSES = ("glioma", "meningioma", "notumor")
HEALTHY = 2


def _image(pixels: np.ndarray, label: int) -> TransformedImage:
    png = encode(pixels)
    return TransformedImage(png, label, hashlib.sha256(png).digest())


@pytest.fixture(scope="module")
def images() -> list[TransformedImage]:
    return [
        _image(np.repeat(brain(seed, 40)[0].astype(np.uint8)[..., None], 3, axis=2), seed % 3)
        for seed in range(60)
    ]


def _make(images, classes=CLASSES, healthy_class="notumor", **paint):
    config = TrainConfig(healthy_class=healthy_class, paint=PaintConfig(**paint))
    made = made_of_healthy(lambda: iter(images), config, classes)
    return None if made is None else list(made())


def test_as_many_are_made_as_asked_for_each_told_apart(images):
    made = _make(images, lesions=1.5, decoys=2, copies=0.5)
    found = Counter(image.painting for image in made)
    assert found["decoy"] == 40
    assert 20 < found["lesion"] < 40
    assert 0 < found[None] < 20
    digests = {image.digest for image in [*made, *images]}
    assert len(digests) == len(made) + len(images)
    assert {image.png for image in made} <= {one.png for one in images if one.label == HEALTHY}


def test_a_lesion_may_be_of_any_class_but_the_healthy_one_and_a_decoy_is_healthy(images):
    for image in _make(images, lesions=1, decoys=1, copies=1):
        assert image.label == (~HEALTHY if image.painting == "lesion" else HEALTHY)
        assert image.original.appearance == HEALTHY


def test_what_is_made_follows_from_the_image_alone(images):
    settings = {"lesions": 0.5, "decoys": 0.3, "copies": 1.2}
    whole = _make(images, **settings)
    assert {one.digest for one in _make(images[::-1], **settings)} == {one.digest for one in whole}
    part = {one.digest for one in _make(images[:30], **settings)}
    assert part < {one.digest for one in whole}


def test_images_without_a_head_are_not_painted_on_and_are_counted_once(images, caplog):
    black = _image(np.zeros((40, 40, 3), np.uint8), HEALTHY)
    with caplog.at_level(logging.WARNING):
        made = _make([*images, black], lesions=1, decoys=1, copies=1)
    assert [one.painting for one in made if one.png == black.png] == [None]
    assert caplog.text.count("1 images of notumor show no head") == 1
    caplog.clear()
    assert _make([black], lesions=1) is None
    assert "show no head" in caplog.text


@pytest.mark.parametrize(
    ("classes", "name"),
    [(("glioma", "pituitary"), "notumor"), (("notumor",), "notumor"), (CLASSES, None)],
)
def test_a_folder_without_a_healthy_class_trains_without_paint_and_says_so(
    images, classes, name, caplog
):
    assert _make(images, classes, name, lesions=1) is None
    assert "train.paint makes nothing: set train.healthy_class" in caplog.text
    assert healthy_class(TrainConfig(healthy_class=name), classes) is None


def test_nothing_is_made_or_said_if_nothing_is_asked_for(images, caplog):
    assert _make(images) is None
    assert _make(images, ("glioma", "pituitary")) is None
    assert not caplog.text
