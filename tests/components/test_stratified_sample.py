import random
from collections import Counter

import pytest

from components.stratified_sample import StratifiedSample

IMAGES = [
    (f"image {index}".encode(), int(index >= 300) + int(index >= 390)) for index in range(400)
]


def _drawn(images, count, seed=0):
    draw = StratifiedSample(count, seed)
    for content, label in images:
        draw.offer(content, label, (content, label))
    return draw.drawn()


def test_every_class_has_its_share_and_the_rarest_an_image():
    assert Counter(label for _, label in _drawn(IMAGES, 40)) == {0: 30, 1: 9, 2: 1}
    assert Counter(label for _, label in _drawn(IMAGES, 6)) == {0: 4, 1: 1, 2: 1}


def test_the_same_images_are_drawn_in_whatever_order_they_come():
    shuffled = random.Random(0).sample(IMAGES, len(IMAGES))
    assert _drawn(IMAGES, 40) == _drawn(shuffled, 40) == _drawn(IMAGES[::-1], 40)


def test_the_first_images_are_no_likelier_than_the_last():
    drawn = {content for content, _ in _drawn(IMAGES, 40)}
    assert drawn != {content for content, _ in _drawn(IMAGES, 40, seed=1)}
    half = {content for content, _ in IMAGES[:150]}
    assert 5 < len(drawn & half) < 25  # of 30 of the class


@pytest.mark.parametrize(("count", "drawn"), [(0, 0), (2, 2), (400, 400), (1000, 400)])
def test_there_may_be_fewer_images_than_wanted_and_fewer_wanted_than_classes(count, drawn):
    assert len(set(_drawn(IMAGES, count))) == drawn


def test_copies_are_images_of_their_own():
    assert len(_drawn([(b"same", 0)] * 5, 3)) == 3
