"""Whose style an image takes."""

from collections import Counter

import numpy as np
import pytest
from drawing import draw

from components.trainer.appearance.bank import StyleBank

HEALTHY = 2
SHAPE = (48, 48)


def _pictures(*labels: int):
    """Pictures whose brightness tells their class."""
    for index, label in enumerate(labels):
        pixels = (draw(index, SHAPE) * (1 - 0.2 * label)).astype(np.uint8)
        yield bytes([index]) * 32, label, pixels


def _whose(bank: StyleBank, label: int, draws: int = 400) -> Counter[int]:
    """How often an image of a class takes which class's style."""
    generator = np.random.default_rng(0)
    found: Counter[int] = Counter()
    for _ in range(draws):
        style = bank.other_than(label, generator)
        found[round((1 - style.levels[-1] / 254) / 0.2)] += 1
    return found


def test_tumours_take_mostly_healthy_styles_and_healthy_images_tumours():
    bank = StyleBank(_pictures(0, 0, 1, 2, 2, 2), HEALTHY)
    of_tumour, of_healthy = _whose(bank, 0), _whose(bank, HEALTHY)
    assert set(of_tumour) == {1, 2}
    assert of_tumour[2] / 400 == pytest.approx(0.75, abs=0.08)
    assert set(of_healthy) == {0, 1}
    assert of_healthy[0] > 1.5 * of_healthy[1]


def test_without_a_healthy_class_the_others_share():
    assert set(_whose(StyleBank(_pictures(0, 1, 2)), 0)) == {1, 2}
    assert set(_whose(StyleBank(_pictures(0, 2), HEALTHY), 0)) == {2}


def test_images_without_a_head_give_no_style():
    black = (b"b" * 32, 1, np.zeros((*SHAPE, 3), np.uint8))
    bank = StyleBank([*_pictures(0), black], HEALTHY)
    assert bank.other_than(0, np.random.default_rng(0)) is None
    assert bank.other_than(1, np.random.default_rng(0)) is not None


def test_banks_of_other_images_are_told_apart():
    banks = [
        StyleBank(_pictures(0, 1, 2), HEALTHY),
        StyleBank(_pictures(0, 1, 1), HEALTHY),
        StyleBank(_pictures(0, 1), HEALTHY),
        StyleBank(_pictures(0, 1, 2)),
    ]
    assert len({bank.identity for bank in banks}) == 4
    assert banks[0].identity == StyleBank(_pictures(0, 1, 2), HEALTHY).identity
